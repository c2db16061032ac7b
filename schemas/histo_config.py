"""The configuration of stage two: selections and histograms."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from schemas.axes import AxisForm
from schemas.config_types import TEXT, TEXTS, ExpressionText, Identifier, Name, Version, listed
from schemas.model import EntryError, ShortForm, StrictModel, to_data

Families = Annotated[list[str], Meta(min_length=1)]
"""Selections, or families of them by pattern and product."""


class Dimension(StrictModel, frozen=True, kw_only=True):
    """One axis of a histogram and what it shows.

    Attributes
    ----------
    of
        What is filled; for one-dimensional histograms of a field of the same name it may be left
        out.
    axis
        The bins.
    label
        Title of the axis, with ROOT's ``p_{T}`` and ``#eta``; its default is the expression.
    """

    of: ExpressionText | None = None
    axis: AxisForm
    label: str = ""


class Fill(StrictModel, frozen=True, kw_only=True):
    """One histogram, made for every collection and selection of its group.

    Attributes
    ----------
    axis, of, label
        The only dimension of a one-dimensional histogram, as in `Dimension`.
    axes
        The dimensions of any other.
    per_event
        What is filled once per event, computed from the selected objects: ``count()``, ``max(pt)``.
        Events in which it has no value (``max`` of nothing) are not filled.
    title
        Of the histogram; its default names collection and selection.
    only
        Collections of the group that have this histogram; all without it.
    """

    of: ExpressionText | None = None
    axis: AxisForm | None = None
    label: str = ""
    axes: list[Dimension] = []
    per_event: ExpressionText | None = None
    title: str = ""
    only: Annotated[list[str], Meta(min_length=1)] | None = None

    def __post_init__(self) -> None:
        if bool(self.axes) == (self.axis is not None):
            raise ValueError("give either 'axis' (one dimension) or 'axes' (a list of dimensions)")
        if self.axes and (self.of is not None or self.label):
            raise ValueError("'of' and 'label' belong to each entry of 'axes'")
        if self.per_event is not None and (self.of is not None or self.axes):
            raise ValueError("'per_event' takes the place of 'of', and has one axis")

    @property
    def dimensions(self) -> list[Dimension]:
        """The dimensions in order, one or more."""
        if self.axis is None:
            return self.axes
        return [Dimension(of=self.of, axis=self.axis, label=self.label)]


class Rate(StrictModel, frozen=True, kw_only=True):
    """A rate curve: how many events have an object above each threshold.

    Attributes
    ----------
    axis
        Its edges are the thresholds: bin i counts the events in which the highest value of the
        selected objects is at least the lower edge of bin i, compared in float64.
    of
        The value; its default is the field of the same name.
    label, title
        As in `Fill`.
    unit
        ``events``: counts; ``kHz``: counts times the collision rate over the events read.
    """

    axis: AxisForm
    of: ExpressionText | None = None
    label: str = ""
    title: str = ""
    unit: Literal["events", "kHz"] = "events"

    def __post_init__(self) -> None:
        kind = self.axis.kind
        if kind not in ("regular", "log", "edges"):
            raise EntryError(
                "axis", f"a rate curve needs thresholds, and {kind!r} axes have none", value=True
            )


class Group(StrictModel, frozen=True, kw_only=True, rename={"families": "for"}):
    """Histograms that are filled alike, and stand in one folder of the output.

    Attributes
    ----------
    fill
        Histograms by name.
    rate
        Rate curves by name, with the number of events read in ``norm``.
    counter
        Count the events with at least one selected object in ``rate``, and those read in ``norm``.
    families
        Key ``for``: selections to fill for, by collection: ``"Menu* x (all | EtaEB)"``. Without
        it the histograms are of the event, and all events are filled.
    match
        Name of a matching: ``fill`` is about its matched objects, and can say ``obj.pt`` and
        ``gen.pt``; what goes without prefix is the object's.
    efficiency
        Name of a matching: ``fill`` is about the generated particles, all of them
        (``h_effDen_...``) and the matched ones (``h_effNum_...``).
    weight
        Weight of an entry; of the event for rates and counters.
    """

    fill: dict[Name, Fill] = {}
    rate: dict[Name, Rate] = {}
    counter: bool = False
    families: Annotated[dict[str, Families], Meta(min_length=1)] | None = None
    match: str | None = None
    efficiency: str | None = None
    weight: ExpressionText | None = None

    def __post_init__(self) -> None:
        if bool(self.fill) + bool(self.rate) + self.counter != 1:
            raise ValueError("give one of 'fill', 'rate' and 'counter'")
        matching = self.match or self.efficiency
        if self.match and self.efficiency:
            raise EntryError("efficiency", "give one of 'match' and 'efficiency'")
        if matching and not self.fill:
            wrong = "rate" if self.rate else "counter"
            raise EntryError(wrong, f"{wrong!r} does not go with a matching; use 'fill'")
        if matching and self.families is not None:
            raise EntryError("for", "the matching itself says 'for' what; leave it out here")
        for name, fill in self.fill.items():
            if self.efficiency and fill.per_event is not None:
                raise ValueError(
                    f"fill.{name}: 'per_event' does not go with 'efficiency', which fills particles"
                )
        if self.efficiency and any(fill.per_event for fill in self.fill.values()):
            raise ValueError("an efficiency is one of particles; 'per_event' goes with 'match'")
        if (self.rate or self.counter) and self.families is None:
            raise ValueError("say 'for' which collections and selections")


class DerivedCollection(StrictModel, frozen=True, kw_only=True):
    """A collection computed from others; one of the first five keys says how.

    Attributes
    ----------
    union
        Collections whose objects it has, those of the first before those of the second.
    pairs
        One collection, all of whose pairs it has, or two, of which it has all combinations; the
        objects are ``leg0`` and ``leg1``.
    filter
        The collection of whose objects it has those that pass ``where``.
    highest
        How many of the objects of ``of`` it has, the highest in ``by``.
    match
        The collection of whose objects it has, for each object of ``to``, the one with the
        smallest ``best`` among those ``within`` reach; the two are ``obj`` and ``gen``.
    where, of, by, to, within, best
        As above.
    define
        Fields computed for it.
    """

    union: Annotated[list[str], Meta(min_length=2)] | None = None
    pairs: Annotated[list[str], Meta(min_length=1, max_length=2)] | None = None
    filter: str | None = None
    highest: Annotated[int, Meta(ge=1)] | None = None
    match: str | None = None
    where: ExpressionText | None = None
    of: str | None = None
    by: ExpressionText | None = None
    to: str | None = None
    within: ExpressionText | None = None
    best: ExpressionText | None = None
    define: dict[Identifier, ExpressionText] = {}

    def __post_init__(self) -> None:
        needs = {
            "union": (),
            "pairs": (),
            "filter": ("where",),
            "highest": ("of", "by"),
            "match": ("to", "within", "best"),
        }
        kinds = [kind for kind in needs if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"give one of {', '.join(needs)}")
        for key in ("where", "of", "by", "to", "within", "best"):
            if key in needs[kinds[0]] and getattr(self, key) is None:
                raise ValueError(f"{kinds[0]!r} needs {key!r}")
            if key not in needs[kinds[0]] and getattr(self, key) is not None:
                raise EntryError(key, f"{key!r} does not go with {kinds[0]!r}")


class MatchedObjects(StrictModel, frozen=True, kw_only=True):
    """The objects of one collection in a matching.

    Attributes
    ----------
    selections
        Selections on them.
    within
        Their own condition, in place of the matching's.
    """

    selections: Families
    within: ExpressionText | None = None


class Matching(StrictModel, frozen=True, kw_only=True, rename={"objects": "for"}):
    """Which objects are matched to which generated particles, for every pair of selections.

    Attributes
    ----------
    to
        Collection of the generated particles.
    gen
        Selections on it.
    within
        Condition for an object ``obj`` and a particle ``gen`` to be candidates.
    best
        Of the candidates of a particle that pass the object's selection, the one with the smallest
        value is matched; on a tie the first in stored order. An object may be matched to several
        particles.
    objects
        Key ``for``: by collection its selections, or a mapping with ``selections`` and ``within``.
    """

    to: str
    gen: Families
    within: ExpressionText | None = None
    best: ExpressionText
    objects: Annotated[dict[str, MatchedObjects], Meta(min_length=1)]

    def __post_init__(self) -> None:
        for name, objects in self.objects.items():
            if self.within is None and objects.within is None:
                raise ValueError(f"'within' is missing, for all collections or for {str(name)!r}")


class BinnedLevel(StrictModel, frozen=True, kw_only=True):
    """A level of a table that is looked up by the bin of an expression.

    Attributes
    ----------
    of
        The expression.
    edges
        Of the bins, increasing; a bin has its lower edge, and not its upper one.
    """

    of: ExpressionText
    edges: Annotated[list[float], Meta(min_length=2)]


class TableConfig(StrictModel, frozen=True, kw_only=True):
    """Numbers to look up, called like a function: ``online_pt(36, TkEle)``.

    Attributes
    ----------
    arguments
        Names of the arguments of the call.
    by
        What each level of ``values`` is looked up by: the name of an argument (the word given in
        the call), ``selection`` (the first one named there that the object passes), or ``of`` an
        expression with ``edges`` of bins (a list of values, one a bin).
    values
        The numbers; what is in no bin and passes no selection gets NaN, which passes no cut.
    formula
        What the table gives, if it is not the number itself, from the arguments and the names in a
        mapping of numbers: ``(offline - b) / a``.
    """

    arguments: list[Identifier] = []
    by: Annotated[list[str | BinnedLevel], Meta(min_length=1)]
    values: dict[str, Any] | list[Any]
    formula: ExpressionText | None = None


class Selection(StrictModel, frozen=True, kw_only=True):
    """A named condition.

    Attributes
    ----------
    cut
        The condition: on the objects of the collection in which it is used, or on the event.
    label
        For legends; its default is the condition.
    """

    cut: ExpressionText
    label: str = ""


def _matched(value: Any) -> Any:
    return {"selections": value} if isinstance(value, str | list) else value


def _selection(value: Any) -> Any:
    return value if isinstance(value, dict) else {"cut": value}


def _list_of(noun: str, *path: str) -> ShortForm:
    return ShortForm(path, listed, f"a {noun}, or a list of {noun}s", TEXT)


# inner ones after those that may put them there
SHORT_FORMS = (
    ShortForm(
        ("selections", "*"),
        _selection,
        "a condition, or a mapping with 'cut'",
        ExpressionText.JSON_SCHEMA,
    ),
    ShortForm(
        ("matches", "*", "for", "*"),
        _matched,
        "a selection, a list of selections, or a mapping with 'selections'",
        TEXTS,
    ),
    _list_of("selection", "matches", "*", "for", "*", "selections"),
    _list_of("selection", "matches", "*", "gen"),
    _list_of("selection", "histograms", "*", "for", "*"),
    _list_of("collection", "histograms", "*", "fill", "*", "only"),
    _list_of("collection", "collections", "*", "pairs"),
)


class HistoConfig(StrictModel, frozen=True, kw_only=True):
    """The configuration of ``histo run``.

    Attributes
    ----------
    version
        Of the configuration language.
    collections
        Collections derived from those of the dataset, computed only if something uses them.
    tables
        Thresholds and working points.
    functions
        Python functions by the name that expressions call them by, as ``module:function``. They run
        only if the command line allows their module.
    selections
        Named conditions: an expression, or a mapping with ``cut`` and ``label``.
    matches
        Matchings of objects to generated particles, by name.
    histograms
        Groups of histograms by name of the folder they go to.
    """

    short_forms = SHORT_FORMS

    version: Version = 1
    collections: dict[Identifier, DerivedCollection] = {}
    tables: dict[Identifier, TableConfig] = {}
    functions: dict[Identifier, str] = {}
    selections: dict[Name, Selection] = {}
    matches: dict[Name, Matching] = {}
    histograms: Annotated[dict[Name, Group], Meta(min_length=1)]

    def normalised(self) -> dict[str, Any]:
        """Return everything that the configuration says, with the defaults spelled out."""
        return to_data(self)
