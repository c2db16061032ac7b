"""JSON Schemas of the configurations, for editors that complete and check YAML."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pydantic

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(model: type[pydantic.BaseModel], title: str) -> dict[str, Any]:
    """Return the JSON Schema of a configuration, short forms and ``include`` included.

    Parameters
    ----------
    model
        Of the configuration.
    title
        Of the schema.
    """
    schema = model.model_json_schema(by_alias=True, mode="validation")
    schema = {"$schema": DIALECT, **schema, "title": title}
    schema["properties"] = {
        "include": {
            "description": "Configurations whose keys this one takes over, relative to it.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
        **schema["properties"],
    }
    # what an included configuration may give cannot be required of the one that includes it
    schema.pop("required", None)
    for name, found in {title: model, **_models(model)}.items():
        target = schema if found is model else schema.get("$defs", {}).get(name, {})
        _describe(target, found)
    return schema


def _models(model: type[pydantic.BaseModel]) -> dict[str, type[pydantic.BaseModel]]:
    """Return all models of the module tree below a model, by name."""
    found: dict[str, type[pydantic.BaseModel]] = {}
    waiting: list[Any] = [model]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if inspect.isclass(item) and issubclass(item, pydantic.BaseModel):
            found[item.__name__] = item
            waiting += [info.annotation for info in item.model_fields.values()]
        waiting += list(getattr(item, "__args__", ()))
    return found


def _describe(target: dict[str, Any], model: type[pydantic.BaseModel]) -> None:
    """Take the descriptions of the keys from the model's docstring."""
    documented = _attributes(inspect.getdoc(model) or "")
    for name, info in model.model_fields.items():
        key = info.alias or name
        if name in documented and key in target.get("properties", {}):
            target["properties"][key]["description"] = documented[name]


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
