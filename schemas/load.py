"""YAML files to validated models, with errors that name file, line and key.

Only plain YAML is read: strings, numbers, true/false, null, lists and mappings. Tags, merge keys
and duplicate keys are refused, YAML 1.1's surprises (``NO`` is false, ``1e3`` is a string) do not
exist, and the size of what aliases expand to is limited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml
from pydantic_core import ErrorDetails, PydanticCustomError

from schemas.errors import ConfigError, ExpressionError, Location, UsageError, nearest

MAX_BYTES = 4_000_000
MAX_NODES = 200_000  # after aliases are expanded; the largest real configuration has under 2,000
MAX_DEPTH = 50
MAX_FILES = 100  # of a configuration with all that it includes, counted as often as included

Key = str | int
Path_ = tuple[Key, ...]
Model = TypeVar("Model", bound=pydantic.BaseModel)

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_BANG = re.compile(r":\s+(!(?!!)[^,}]*)")  # a value that starts with '!': a tag to YAML
_SPECIAL: Mapping[str, Any] = {"": None, "null": None, "~": None, "true": True, "false": False}


class SourceText(str):
    """A string that remembers where it stands in a configuration, for errors found later.

    Attributes
    ----------
    location
        The place of its first character; None for text that no file holds.
    """

    location: Location | None = None

    @classmethod
    def at(cls, text: str, location: Location | None) -> SourceText:
        """Make a text with its location."""
        made = cls(text)
        made.location = location
        return made


def location_of(text: str) -> Location | None:
    """Return where a text came from, or None if it is a plain string."""
    return text.location if isinstance(text, SourceText) else None


@dataclass(frozen=True)
class Document:
    """A parsed configuration: plain data, and the place of every key and value in it.

    Attributes
    ----------
    data
        The top-level mapping; strings are `SourceText`.
    values, keys
        Place of each value and of each mapping key, by path.
    """

    data: dict[str, Any]
    values: dict[Path_, Location] = field(default_factory=dict)
    keys: dict[Path_, Location] = field(default_factory=dict)

    def where(self, path: Path_) -> Location | None:
        """Return the place of a value, or of the nearest enclosing one that stands in a file."""
        for stop in range(len(path), -1, -1):
            if path[:stop] in self.values:
                return self.values[path[:stop]]
        return None


class StrictModel(pydantic.BaseModel):
    """Base of everything that comes from a file: frozen, no unknown keys, no silent conversions."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        """Name the unknown key and the nearest known one; pydantic itself knows only the first."""
        if isinstance(data, dict):
            known = {info.alias or name for name, info in cls.model_fields.items()}
            for key in data:
                if key not in known:
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key {name}; {hint}",
                        {"key": key, "name": repr(str(key)), "hint": nearest(str(key), known)},
                    )
        return data


def wrong_key(key: str, message: str) -> PydanticCustomError:
    """Make the error of a validator about one key of a mapping, which the message will mark."""
    return PydanticCustomError("wrong_key", "{message}", {"key": key, "message": message})


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen at run time
    """YAML to nodes without any implicit typing; `_Composer` types the scalars."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # overrides a class attribute


_PREFIX = "tag:yaml.org,2002:"  # of the tags that are written with two exclamation marks
_TAGS = frozenset(f"{_PREFIX}{kind}" for kind in ("str", "seq", "map"))


def _not_a_tag(tag: str) -> str:
    if tag.startswith("!"):
        return "YAML takes what starts with '!' for a tag; put it in quotes, or write 'not'"
    return f"tags such as '!!{tag.removeprefix(_PREFIX)}' are not supported; write plain YAML"


class _Composer:
    """Turns YAML nodes into plain data and remembers places."""

    def __init__(self, file: str, text: str) -> None:
        self.document = Document({})
        self.file = file
        self.lines = text.split("\n")
        self.nodes = 0

    def place(self, node: Any) -> Location:  # a node, or an event of the parser
        start, end = node.start_mark, node.end_mark
        text = self.lines[start.line] if start.line < len(self.lines) else ""
        stop = end.column if end.line == start.line else len(text)
        quoted = getattr(node, "style", None) in ("'", '"')
        width = max(1, stop - start.column - 2 * quoted)
        return Location(self.file, start.line + 1, start.column + 1 + quoted, text, width)

    def build(self, node: yaml.Node, path: Path_) -> Any:
        self.nodes += 1
        place = self.place(node)
        if node.tag not in _TAGS:
            raise ConfigError(_not_a_tag(node.tag), place)
        if self.nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise ConfigError(
                f"the configuration is too large: over {MAX_NODES} values with its aliases "
                f"expanded, or nested deeper than {MAX_DEPTH}",
                place,
            )
        self.document.values[path] = place
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, place)

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self.place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError("a key must be a name, not a list or a mapping", place)
            key = str(key_node.value)
            if key == "<<":
                raise ConfigError("merge keys ('<<') are not supported; use 'include'", place)
            if key in made:
                raise ConfigError(f"key {key!r} stands here a second time; remove one", place)
            self.document.keys[*path, key] = place
            made[SourceText.at(key, place)] = self.build(value_node, (*path, key))
        return made

    def _scalar(self, node: yaml.Node, place: Location) -> Any:
        text = str(node.value)
        if not getattr(node, "style", None):  # plain: None or "", depending on the parser
            if text in _SPECIAL:
                return _SPECIAL[text]
            if _INTEGER.match(text):
                return int(text) if len(text) < 20 else float(text)
            if _FLOAT.match(text):
                return float(text)
        return SourceText.at(text, place)


def parse_yaml(text: str, file: str) -> Document:
    """Parse the text of a configuration.

    Parameters
    ----------
    text
        YAML with a mapping at the top.
    file
        Name for messages.

    Raises
    ------
    ConfigError
        With the place, if the text is not plain YAML with a mapping at the top.
    """
    composer = _Composer(file, text)
    loader = _Loader(text)
    try:
        _check_size(text, composer)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, composer) from error
    except (yaml.YAMLError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"not valid YAML: {reason}", Location(file)) from error
    finally:
        loader.dispose()
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("expected 'key: value' lines at the top", Location(file, 1))
    composer.document.data.update(composer.build(node, ()))
    return composer.document


def _check_size(text: str, composer: _Composer) -> None:
    """Refuse many values and deep nesting before nodes, of 1 kB each, are made of them.

    libyaml makes nodes by recursion, in C.
    """
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        nodes += isinstance(event, yaml.NodeEvent)
        if nodes > MAX_NODES:
            place = composer.place(event)
            raise ConfigError(f"the configuration is too large: over {MAX_NODES} values", place)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH + 1:
            raise ConfigError(f"nested deeper than {MAX_DEPTH}", composer.place(event))


def _not_yaml(error: yaml.MarkedYAMLError, composer: _Composer) -> ConfigError:
    """Say where the text stops to be YAML: where something opens, if it is never closed."""
    lines = [*composer.lines, ""]
    mark, problem = error.problem_mark, error.problem
    if problem and problem.startswith("but "):
        problem = f"{error.context}, {problem}"
    if error.context_mark and (mark is None or not lines[mark.line].strip()):
        mark, problem = error.context_mark, f"{error.context}, {problem}"
    if mark is None:
        return ConfigError(f"not valid YAML: {problem}", Location(composer.file))
    line, column, width = lines[mark.line], mark.column, 1
    if bang := _BANG.search(line):
        problem = _not_a_tag("!")
        column, width = bang.start(1), len(bang.group(1).rstrip())
    elif "\t" in line[: column + 1]:
        problem = "indent with blanks, not with tabs"
    place = Location(composer.file, mark.line + 1, column + 1, line, width)
    return ConfigError(f"not valid YAML: {problem}", place)


def load_document(path: Path) -> Document:
    """Read a configuration and everything it includes.

    ``include: FILE`` (or a list) takes the top-level keys of another configuration, relative to the
    including file; the including file wins, mappings being merged entry by entry.

    Raises
    ------
    UsageError
        If the file is missing.
    ConfigError
        With the place of whatever is wrong.
    """
    return _load(path, (), [])


def _load(path: Path, parents: tuple[Path, ...], sizes: list[int]) -> Document:
    """Load a file after those of some sizes: a few files can include each other very often."""
    document = parse_yaml(_read_text(path), str(path))
    sizes.append(len(document.values))
    if len(sizes) > MAX_FILES or sum(sizes) > MAX_NODES:
        raise ConfigError(
            f"the configuration is too large: over {MAX_NODES} values or {MAX_FILES} files with "
            "all that it includes",
            Location(str(path)),
        )
    included = document.data.pop("include", None)
    if included is None:
        return document
    names = included if isinstance(included, list) else [included]
    for index, name in reversed(list(enumerate(names))):
        place = document.where(("include", index))
        if not isinstance(name, str):
            raise ConfigError("'include' takes the name of a file or a list of names", place)
        target = path.parent / name
        chain = (*parents, path.resolve())
        if target.resolve() in chain:
            raise ConfigError(f"{name!r} includes itself", place)
        if not target.is_file():
            known = [str(p.name) for p in target.parent.glob("*.y*ml")]
            raise ConfigError(f"no file {str(target)!r} to include; {nearest(name, known)}", place)
        _merge(_load(target, chain, sizes), document)
    return document


def _read_text(path: Path) -> str:
    if not path.is_file():
        known = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        hint = f"; {nearest(path.name, known)}" if known else ""
        raise UsageError(f"no configuration file {str(path)!r}{hint}")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ConfigError(
            f"larger than {MAX_BYTES} bytes: not a configuration", Location(str(path))
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError("not a text file in UTF-8", Location(str(path))) from error


def _merge(base: Document, document: Document) -> None:
    """Put what ``base`` says and ``document`` does not into ``document``."""
    for key, value in base.data.items():
        own = document.data.get(key)
        if key not in document.data:
            document.data[key] = value
            _take_places(base, document, (key,))
        elif isinstance(own, dict) and isinstance(value, dict):
            for name, entry in value.items():
                if name not in own:
                    own[name] = entry
                    _take_places(base, document, (key, name))


def _take_places(base: Document, document: Document, prefix: Path_) -> None:
    size = len(prefix)
    for source, target in ((base.values, document.values), (base.keys, document.keys)):
        target.update({path: place for path, place in source.items() if path[:size] == prefix})


def validate(document: Document, model: type[Model]) -> Model:
    """Check a document against a model.

    Raises
    ------
    ConfigError
        With place, key and nearest valid name of the first thing that is wrong.
    """
    try:
        return model.model_validate(document.data)
    except pydantic.ValidationError as error:
        problems = list(_problems(error, document))
        raise problems[0] from error


def load_model(path: Path, model: type[Model]) -> Model:
    """Read a configuration file into a model; see `load_document` and `validate`."""
    return validate(load_document(path), model)


def _problems(error: pydantic.ValidationError, document: Document) -> Iterator[ConfigError]:
    for detail in error.errors(include_url=False):
        context = detail.get("ctx", {})
        cause = context.get("error")
        if isinstance(cause, ExpressionError):
            yield cause
            continue
        path = tuple(detail["loc"])
        place = document.where(path)
        if detail["type"] in ("unknown_key", "wrong_key"):
            place = document.keys.get((*path, context["key"]), place)
        if path[-1:] == ("[key]",):  # of a mapping, as pydantic says
            place = document.keys.get(path[:-1], place)
        named = ".".join(str(key) for key in path if (key in _names(document, path)))
        message = _message(detail)
        yield ConfigError(f"{named}: {message}" if named else message, place)


def _names(document: Document, path: Path_) -> set[Key]:
    """Return the parts of a pydantic location that the user wrote, without pydantic's own tags."""
    return {path[i] for i in range(len(path)) if path[: i + 1] in document.values}


_WORDS = (
    ("a valid integer", "an integer"),
    ("a valid string", "a text"),
    ("a valid ", "a "),
    ("greater than or equal to", "at least"),
    ("less than or equal to", "at most"),
)


def _message(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return f"key {str(detail['loc'][-1])!r} is missing"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if detail["type"] in ("unknown_key", "wrong_key", "value_error"):
        return message
    got = detail["input"]
    if detail["type"] in ("too_short", "too_long"):
        least, most = detail["ctx"].get("min_length"), detail["ctx"].get("max_length")
        if least == 1:
            return "must not be empty"
        limit = f"at most {most}" if least is None else f"at least {least}"
        return f"expected {limit} entries, got {detail['ctx']['actual_length']}"
    if detail["type"] in ("model_type", "dict_type"):
        message = "'key: value' entries"
    shown = "nothing" if got is None else repr(str(got) if isinstance(got, SourceText) else got)
    message = message.removeprefix("Input should be ")
    for pydantics, ours in _WORDS:
        message = message.replace(pydantics, ours)
    return f"expected {message}, got {shown if len(shown) < 60 else shown[:57] + '...'}"
