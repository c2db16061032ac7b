"""Types of values that both configurations hold: names and expressions."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from schemas.load import SourceText, location_of

Version = Literal[1]
"""Of the language of configurations."""


class ExpressionText(SourceText):
    """Text of an expression, remembering where it stands."""

    JSON_SCHEMA: ClassVar[dict[str, Any]] = {
        "anyOf": [{"type": kind} for kind in ("string", "integer", "number", "boolean")]
    }

    @classmethod
    def parse(cls, value: Any) -> ExpressionText:
        """Accept an expression; YAML reads some (``true``, ``1``) as other things than text."""
        if not isinstance(value, str | int | float):
            raise ValueError("expected an expression, such as 'pt > 5'")
        text = str(value)
        return cls.at(text, location_of(value) if isinstance(value, str) else None)

    def plain(self) -> str:
        """Return the text with single blanks, so that line breaks make no other configuration."""
        return " ".join(self.split())


Name = Annotated[
    str,
    Meta(
        pattern=r"\A[^\W_][\w.+-]*\Z",  # never to be taken for paths, nor for each other's ends
        extra={"refusal": "is not a name; use letters, digits and any of _ - + ."},
    ),
]
"""Name of a sample, selection or histogram."""

Identifier = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$(?!\n)",  # also one of JavaScript, for editors
        extra={"refusal": "is not a name; use letters, digits and '_'"},
    ),
]
"""Name that expressions can use."""


TEXT: dict[str, Any] = {"type": "string"}
TEXTS: dict[str, Any] = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}
"""JSON Schemas of short forms."""


def listed(value: Any) -> Any:
    """Turn a text into a list of one; leave all else alone."""
    return [value] if isinstance(value, str) else value
