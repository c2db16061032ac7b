"""The text of an expression to a syntax tree with exact places, and nothing but a closed grammar.

Python's own parser does the parsing; nothing is ever compiled or evaluated by Python. ``&&``,
``||`` and ``!`` are read as in ``TTree::Draw``.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import field

from msgspec import Struct

from schemas.errors import ExpressionError, Location
from schemas.load import location_of

MAX_LENGTH = 10_000
MAX_NESTING = 100  # far below the depth at which a recursive walk could fail

_ALLOWED = (
    ast.BoolOp, ast.And, ast.Or,
    ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.Invert,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow,
    ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift,
    ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
    ast.Call, ast.keyword, ast.Attribute, ast.Name, ast.Load, ast.Constant,
)  # fmt: skip

_NAMED = {
    ast.IfExp: "'... if ... else ...' is not allowed; use where(condition, a, b)",
    ast.Subscript: "indexing with [...] is not allowed; use max, min, sum, any, all or count",
    ast.In: "'in' is not allowed; write 'x == 1 or x == 2'",
    ast.NotIn: "'not in' is not allowed; write 'x != 1 and x != 2'",
    ast.Is: "'is' is not allowed; use ==",
    ast.IsNot: "'is not' is not allowed; use !=",
}

_WORD = re.compile(r"\w+")
_MEANT = {
    "=": "'==' compares",
    "?": "use where(condition, a, b)",
    **{word: f"write '{word}'" for word in ("and", "or", "not")},
}

_C_OPERATORS = re.compile(r"&&|\|\||!(?!=)")


class Expression(Struct, frozen=True):
    """A parsed expression.

    Attributes
    ----------
    text
        As the user wrote it.
    tree
        Its syntax tree, of allowed nodes only.
    location
        Where it stands, if it comes from a file.
    """

    text: str
    tree: ast.expr
    location: Location | None
    positions: tuple[int, ...] = field(repr=False)

    def error(self, message: str, node: ast.AST | None = None, hint: str = "") -> ExpressionError:
        """Make an error that marks a node of this expression (all of it without a node)."""
        span = (0, len(self.text)) if node is None else self.span(node)
        return ExpressionError(message, self.text, span, hint, self.location)

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return first and one-past-last character of a node in the text."""
        start, stop = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", 0)
        return self.positions[start], self.positions[stop - 1] + 1

    def source(self, node: ast.AST) -> str:
        """Return what the user wrote for a node."""
        start, stop = self.span(node)
        return self.text[start:stop]


def parse(text: str) -> Expression:
    """Parse an expression.

    Parameters
    ----------
    text
        For instance ``pt > 5 and abs(eta) < 2.4``; a `SourceText` gives errors their place.

    Raises
    ------
    ExpressionError
        If it is not an expression, or contains anything outside the grammar.

    Examples
    --------
    >>> parse("pt > 5 && !(abs(eta) > 2.4)").tree  # doctest: +ELLIPSIS
    <ast.BoolOp object at ...>
    """
    location = location_of(text)

    def fail(message: str, start: int, stop: int, hint: str = "") -> ExpressionError:
        return ExpressionError(message, str(text), (start, stop), hint, location)

    if not text.strip():
        raise fail("the expression is empty", 0, 1)
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"the expression is longer than {MAX_LENGTH} characters",
            text[:60],
            (0, 60),
            "",
            location,
        )
    for index, character in enumerate(text):
        if (
            not (character.isprintable() or character in "\n\t")
            or ord(character) > 126
            or character == "#"
        ):
            raise fail(f"the character {character!r} is not allowed", index, index + 1)
    code, positions = _to_python(str(text))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # "1or x" is a warning to Python: here it is a mistake
            tree = ast.parse(code, mode="eval").body
    except SyntaxError as error:
        if not error.offset or error.offset > len(code):  # the text ends too early
            raise fail(
                "not a valid expression: something is missing at its end", *_end(text)
            ) from None
        start = positions[error.offset - 1]
        word = _WORD.match(text, start)
        shown = word.group() if word else text[start]
        message = (error.msg or "").partition("invalid syntax")[0] or "this cannot stand here"
        raise fail(
            f"not a valid expression: {message}",
            start,
            start + len(shown),
            _MEANT.get(shown.lower(), ""),
        ) from None
    except (RecursionError, MemoryError):  # how Python's parser reports too many parentheses
        raise fail("nested too deeply", 0, len(text)) from None
    expression = Expression(str(text), tree, location, tuple(positions))
    level: list[ast.AST] = [tree]
    for _ in range(MAX_NESTING):
        for node in level:
            _check(node, expression)
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise fail(f"nested deeper than {MAX_NESTING} levels", 0, len(text))
    return expression


def _end(text: str) -> tuple[int, int]:
    stop = len(text.rstrip())
    return stop - 1, stop


def _to_python(text: str) -> tuple[str, list[int]]:
    """Translate C's logical operators, and tell for each character where it came from."""
    pieces: list[str] = []
    positions: list[int] = []
    done = 0
    words = {"&&": " and ", "||": " or ", "!": "~"}
    for match in _C_OPERATORS.finditer(text):
        pieces.append(text[done : match.start()])
        positions.extend(range(done, match.start()))
        word = words[match.group()]
        pieces.append(word)
        positions.extend([match.start()] * (len(word) - 1) + [match.end() - 1])
        done = match.end()
    pieces.append(text[done:])
    positions.extend(range(done, len(text)))
    code = "".join(pieces).replace("\n", " ").replace("\t", " ")
    blank = len(code) - len(code.lstrip())  # leading blanks would be an indentation to Python
    return code.strip(), positions[blank : blank + len(code.strip())]


def _check(node: ast.AST, expression: Expression) -> None:
    if isinstance(node, ast.Compare):
        for operator in node.ops:
            if type(operator) in _NAMED:
                raise expression.error(_NAMED[type(operator)], node)
    if isinstance(node, ast.Constant) and not isinstance(node.value, bool | int | float):
        raise expression.error(f"{expression.source(node)} is neither a number nor a name", node)
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and abs(node.value) >= 2**64:
        raise expression.error("the number does not fit 64 bits", node)
    if isinstance(node, ast.Call) and not isinstance(node.func, ast.Name):
        raise expression.error("only functions given by their name can be called", node.func)
    if isinstance(node, ast.keyword) and node.arg is None:
        raise expression.error("'**' arguments are not allowed", node.value)
    if not isinstance(node, _ALLOWED):
        if isinstance(node, ast.expr):
            kind = f"'{expression.source(node)}' is not allowed in an expression"
            raise expression.error(_NAMED.get(type(node), kind), node)
        raise expression.error(f"{type(node).__name__} is not allowed in an expression")
