"""The configuration of stage two: selections and histograms."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, field_validator, model_validator
from pydantic import Field as ModelField

from schemas.axes import Axis, AxisForm
from schemas.config_types import ExpressionText, Identifier, Name, Text, Version
from schemas.load import StrictModel, wrong_key


def _patterns(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Dimension(StrictModel):
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


class Fill(StrictModel):
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
    axes: list[Dimension] = ModelField(default=[])
    per_event: ExpressionText | None = None
    title: str = ""
    only: Annotated[
        Annotated[list[Text], ModelField(min_length=1)] | None,
        BeforeValidator(_patterns, json_schema_input_type=str | list[str]),
    ] = None

    @model_validator(mode="after")
    def _says_it_once(self) -> Fill:
        if bool(self.axes) == (self.axis is not None):
            raise ValueError("give either 'axis' (one dimension) or 'axes' (a list of dimensions)")
        if self.axes and (self.of is not None or self.label):
            raise ValueError("'of' and 'label' belong to each entry of 'axes'")
        if self.per_event is not None and (self.of is not None or self.axes):
            raise ValueError("'per_event' takes the place of 'of', and has one axis")
        return self

    @property
    def dimensions(self) -> list[Dimension]:
        """The dimensions in order, one or more."""
        if self.axis is None:
            return self.axes
        return [Dimension.model_construct(of=self.of, axis=self.axis, label=self.label)]


Families = Annotated[
    list[Text],
    BeforeValidator(_patterns, json_schema_input_type=str | list[str]),
    ModelField(min_length=1),
]


class Rate(StrictModel):
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

    @field_validator("axis")
    @classmethod
    def _has_thresholds(cls, axis: Axis) -> Axis:
        if axis.kind not in ("regular", "log", "edges"):
            raise ValueError(f"a rate curve needs thresholds, and {axis.kind!r} axes have none")
        return axis


class Group(StrictModel):
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

    fill: dict[Name, Fill] = ModelField(default={})
    rate: dict[Name, Rate] = ModelField(default={})
    counter: bool = False
    families: dict[Text, Families] | None = ModelField(default=None, alias="for", min_length=1)
    match: Text | None = None
    efficiency: Text | None = None
    weight: ExpressionText | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Group:
        if bool(self.fill) + bool(self.rate) + self.counter != 1:
            raise ValueError("give one of 'fill', 'rate' and 'counter'")
        matching = self.match or self.efficiency
        if self.match and self.efficiency:
            raise wrong_key("efficiency", "give one of 'match' and 'efficiency'")
        if matching and not self.fill:
            wrong = "rate" if self.rate else "counter"
            raise wrong_key(wrong, f"{wrong!r} does not go with a matching; use 'fill'")
        if matching and self.families is not None:
            raise wrong_key("for", "the matching itself says 'for' what; leave it out here")
        for name, fill in self.fill.items():
            if self.efficiency and fill.per_event is not None:
                raise ValueError(
                    f"fill.{name}: 'per_event' does not go with 'efficiency', which fills particles"
                )
        if self.efficiency and any(fill.per_event for fill in self.fill.values()):
            raise ValueError("an efficiency is one of particles; 'per_event' goes with 'match'")
        if (self.rate or self.counter) and self.families is None:
            raise ValueError("say 'for' which collections and selections")
        return self


class DerivedCollection(StrictModel):
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

    union: list[Text] | None = ModelField(default=None, min_length=2)
    pairs: Annotated[
        Annotated[list[Text], ModelField(min_length=1, max_length=2)] | None,
        BeforeValidator(_patterns, json_schema_input_type=str | list[str]),
    ] = None
    filter: Text | None = None
    highest: Annotated[int, ModelField(ge=1)] | None = None
    match: Text | None = None
    where: ExpressionText | None = None
    of: Text | None = None
    by: ExpressionText | None = None
    to: Text | None = None
    within: ExpressionText | None = None
    best: ExpressionText | None = None
    define: dict[Identifier, ExpressionText] = ModelField(default={})

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> DerivedCollection:
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
                raise wrong_key(key, f"{key!r} does not go with {kinds[0]!r}")
        return self


class MatchedObjects(StrictModel):
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


def _matched(value: Any) -> Any:
    return value if isinstance(value, dict) else {"selections": value}


class Matching(StrictModel):
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

    to: Text
    gen: Families
    within: ExpressionText | None = None
    best: ExpressionText
    objects: dict[
        Text,
        Annotated[
            MatchedObjects,
            BeforeValidator(_matched, json_schema_input_type=str | list[str] | MatchedObjects),
        ],
    ] = ModelField(alias="for", min_length=1)

    @model_validator(mode="after")
    def _says_within(self) -> Matching:
        for name, objects in self.objects.items():
            if self.within is None and objects.within is None:
                raise ValueError(f"'within' is missing, for all collections or for {str(name)!r}")
        return self


class BinnedLevel(StrictModel):
    """A level of a table that is looked up by the bin of an expression.

    Attributes
    ----------
    of
        The expression.
    edges
        Of the bins, increasing; a bin has its lower edge, and not its upper one.
    """

    of: ExpressionText
    edges: Annotated[list[float], ModelField(min_length=2)]


class TableConfig(StrictModel):
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

    arguments: list[Identifier] = ModelField(default=[])
    by: Annotated[list[Text | BinnedLevel], ModelField(min_length=1)]
    values: dict[Text, Any] | list[Any]
    formula: ExpressionText | None = None


class Selection(StrictModel):
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


def _selection(value: Any) -> Any:
    return value if isinstance(value, dict) else {"cut": value}


class HistoConfig(StrictModel):
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

    version: Version = 1
    collections: dict[Identifier, DerivedCollection] = ModelField(default={})
    tables: dict[Identifier, TableConfig] = ModelField(default={})
    functions: dict[Identifier, Text] = ModelField(default={})
    selections: dict[
        Name,
        Annotated[
            Selection,
            BeforeValidator(
                _selection, json_schema_input_type=str | int | float | bool | Selection
            ),
        ],
    ] = ModelField(default={})
    matches: dict[Name, Matching] = ModelField(default={})
    histograms: dict[Name, Group] = ModelField(min_length=1)

    def normalised(self) -> dict[str, Any]:
        """Return everything that the configuration says, with the defaults spelled out."""
        return self.model_dump(mode="json", by_alias=True)
