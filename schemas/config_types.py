"""Types of values that both configurations hold: names, texts and expressions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator

from schemas.load import SourceText

Version = Literal[1]
"""Of the language of configurations."""


def _expression(value: Any) -> str:
    """Accept an expression; YAML reads some of them (``true``, ``1``) as other things than text."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str | int | float):
        return value if isinstance(value, SourceText) else str(value)
    raise ValueError("expected an expression, such as 'pt > 5'")


ExpressionText = Annotated[
    str,
    PlainValidator(_expression, json_schema_input_type=str | int | float | bool),
    PlainSerializer(lambda text: " ".join(text.split()), return_type=str),
]
"""Text of an expression, remembering where it stands."""


def plain_text(value: Any) -> str:
    """Accept nothing but text."""
    if not isinstance(value, str):
        raise ValueError("expected a text")
    return value


Text = Annotated[str, PlainValidator(plain_text, json_schema_input_type=str)]
"""Text that remembers where it stands."""


def _name(value: Any) -> str:
    """Refuse names that could be confused with paths, or with each other's ends."""
    text = plain_text(value)
    if not text or not text[0].isalnum() or not all(c.isalnum() or c in "_-+." for c in text):
        raise ValueError(f"{str(text)!r} is not a name; use letters, digits and any of _ - + .")
    return text


def _identifier(value: Any) -> str:
    text = plain_text(value)
    if not (text.isidentifier() and text.isascii()):
        raise ValueError(f"{str(text)!r} is not a name; use letters, digits and '_'")
    return text


Name = Annotated[str, PlainValidator(_name, json_schema_input_type=str)]
"""Name of a sample, selection or histogram."""

Identifier = Annotated[str, PlainValidator(_identifier, json_schema_input_type=str)]
"""Name that expressions can use."""
