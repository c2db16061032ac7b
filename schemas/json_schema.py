"""JSON Schemas of the configurations, for editors that complete and check YAML."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from schemas.model import ShortForm, StrictModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(model: type[StrictModel], title: str) -> dict[str, Any]:
    """Return the JSON Schema of a configuration, short forms and ``include`` included.

    Parameters
    ----------
    model
        Of the configuration.
    title
        Of the schema.
    """
    schema = msgspec.json.schema(model, schema_hook=_own_type)
    parts: dict[str, Any] = schema["$defs"]
    for found in _models(msgspec.inspect.type_info(model)):
        _describe(parts[found.__name__], found)
    top = parts[model.__name__]
    for form in model.short_forms:
        _allow(form, top, parts)
    del parts[model.__name__]
    top["properties"] = {
        "include": {
            "description": "Configurations whose keys this one takes over, relative to it.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
        **top["properties"],
    }
    # what an included configuration may give cannot be required of the one that includes it
    top.pop("required", None)
    return {"$schema": DIALECT, **top, "title": title, "$defs": parts}


def _own_type(kind: Any) -> dict[str, Any]:
    schema: dict[str, Any] = kind.JSON_SCHEMA
    return schema


def _allow(form: ShortForm, schema: dict[str, Any], parts: dict[str, Any]) -> None:
    """Let the schema of a model accept a short form, where that may stand."""
    *outer, last = (
        ("additionalProperties",) if step == "*" else ("properties", step) for step in form.path
    )
    for step in outer:
        schema = _long(schema, parts)
        for key in step:
            schema = schema[key]
    schema = _long(schema, parts)
    for key in last[:-1]:
        schema = schema[key]
    known = schema[last[-1]]
    said = {key: known.pop(key) for key in ("description", "default") if key in known}
    options = known.get("anyOf", [known])
    schema[last[-1]] = {"anyOf": [form.json_schema, *options], **said}


def _long(schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the mapping that something is in its long form."""
    for option in schema.get("anyOf", [schema]):
        found: dict[str, Any] = option
        if "$ref" in option:
            found = parts[option["$ref"].rpartition("/")[2]]
        if found.get("type") == "object":
            return found
    raise AssertionError("short forms stand in mappings")


def _models(kind: msgspec.inspect.Type) -> Iterator[type[msgspec.Struct]]:
    """Iterate over the models in a type."""
    match kind:
        case msgspec.inspect.StructType():
            yield kind.cls
            for field in kind.fields:
                yield from _models(field.type)
        case msgspec.inspect.DictType():
            yield from _models(kind.value_type)
        case msgspec.inspect.ListType():
            yield from _models(kind.item_type)
        case msgspec.inspect.Metadata():
            yield from _models(kind.type)
        case msgspec.inspect.UnionType():
            for option in kind.types:
                yield from _models(option)


def _describe(target: dict[str, Any], model: type[msgspec.Struct]) -> None:
    """Take the descriptions of the keys from the model's docstring."""
    target["description"] = doc = inspect.getdoc(model) or ""
    documented = _attributes(doc)
    for field in msgspec.structs.fields(model):
        value = target["properties"][field.encode_name]
        if field.name in documented:
            value["description"] = documented[field.name]
        # the letters of a `Name` may be of any language, for which patterns of editors lack a word
        value.pop("propertyNames", None)


def _attributes(doc: str) -> dict[str, str]:
    """Read the section ``Attributes`` of a docstring."""
    _, _, section = doc.partition("Attributes\n----------\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if line and not line.startswith(" "):
            names = re.split(r",\s*", line)
        elif line.strip():
            for name in names:
                found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return {name: text.replace("``", "'") for name, text in found.items()}
