"""YAML files to validated models, with errors that name file, line and key.

Only plain YAML is read: strings, numbers, true/false, null, lists and mappings. Tags, merge keys
and duplicate keys are refused, YAML 1.1's surprises (``NO`` is false, ``1e3`` is a string) do not
exist, and the size of what aliases expand to is limited.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import yaml
from msgspec import Struct

from schemas.errors import ConfigError, Location, UsageError, nearest
from schemas.model import Model, ModelError, from_data
from schemas.model import Path as Path_

MAX_BYTES = 4_000_000
MAX_NODES = 200_000  # after aliases are expanded; the largest real configuration has under 2,000
MAX_DEPTH = 50
MAX_FILES = 100  # of a configuration with all that it includes, counted as often as included

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
    def at(cls, text: str, location: Location | None) -> Self:
        """Make a text with its location."""
        made = cls(text)
        made.location = location
        return made

    def plain(self) -> str:
        """Return the text alone."""
        return str(self)


def location_of(text: str) -> Location | None:
    """Return where a text came from, or None if it is a plain string."""
    return text.location if isinstance(text, SourceText) else None


class Document(Struct, frozen=True):
    """A parsed configuration: plain data, and the place of every key and value in it.

    Attributes
    ----------
    data
        The top-level mapping; its texts are `SourceText`, the keys of its mappings are not.
    values, keys
        Place of each value and of each mapping key, by path.
    """

    data: dict[str, Any]
    values: dict[Path_, Location] = {}
    keys: dict[Path_, Location] = {}

    def where(self, path: Path_) -> Location | None:
        """Return the place of a value, or of the nearest enclosing one that stands in a file."""
        for stop in range(len(path), -1, -1):
            if path[:stop] in self.values:
                return self.values[path[:stop]]
        return None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen at run time
    """YAML to nodes without any implicit typing; `_Composer` types the scalars."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # overrides a class attribute


_PREFIX = "tag:yaml.org,2002:"  # of the tags that are written with two exclamation marks
_TAGS = frozenset(f"{_PREFIX}{kind}" for kind in ("str", "seq", "map"))


_TOO_DEEP = "exceeded maximum nesting depth"  # libyaml's own limit, 1,000, which it reads ahead to


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
            made[key] = self.build(value_node, (*path, key))
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
    if problem == _TOO_DEEP:
        problem = f"nested deeper than {MAX_DEPTH}"
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
        made = from_data(document.data, model)
    except ModelError as error:
        raise _in_file(error, document) from error
    _place_keys(made, (), document)
    return made


def load_model(path: Path, model: type[Model]) -> Model:
    """Read a configuration file into a model; see `load_document` and `validate`."""
    return validate(load_document(path), model)


def _in_file(error: ModelError, document: Document) -> ConfigError:
    """Say where in the file an error is; of its path, only what the user wrote is named."""
    path, place = error.path, document.where(error.path)
    if error.key is not None:
        place = document.keys.get((*path, error.key), place)
    named = ".".join(str(path[i]) for i in range(len(path)) if path[: i + 1] in document.values)
    return ConfigError(f"{named}: {error.message}" if named else error.message, place)


def _place_keys(value: Any, path: Path_, document: Document) -> None:
    """Let the keys of the mappings in a model remember where they stand, as its texts do.

    msgspec takes only plain strings for the names of a model's fields, and data do not show which
    mappings become models.
    """
    if isinstance(value, msgspec.Struct):
        for name, key in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            _place_keys(getattr(value, name), (*path, key), document)
    elif isinstance(value, dict):
        entries = list(value.items())
        value.clear()
        for key, entry in entries:
            value[SourceText.at(key, document.keys.get((*path, key)))] = entry
            _place_keys(entry, (*path, key), document)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            _place_keys(entry, (*path, index), document)
