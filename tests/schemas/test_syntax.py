"""What is an expression, and that nothing else gets past the parser."""

from __future__ import annotations

import ast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.errors import ExpressionError, Location
from schemas.load import SourceText
from schemas.syntax import MAX_LENGTH, MAX_NESTING, parse


def refused(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert str(caught.value)
    return caught.value


def marked(error: ExpressionError) -> str:
    return error.text[slice(*error.span)]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a && b", "a and b"),
        ("a&&b||c", "a and b or c"),
        ("!a", "~a"),
        ("!(a > 1)", "~(a > 1)"),
        ("!!a", "~~a"),
        ("a != 1", "a != 1"),
        ("a!=1&&!b", "a != 1 and ~b"),
        ("a\n  and\tb", "a and b"),
        ("  a + 1 ", "a + 1"),
        ("1 < a <= 2", "1 < a <= 2"),
        ("max(a, default=-1)", "max(a, default=-1)"),
    ],
)
def test_python_and_c_say_the_same(written: str, meant: str) -> None:
    assert ast.dump(parse(written).tree) == ast.dump(ast.parse(meant, mode="eval").body)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a && bad", "bad"),
        ("a||b && !bad", "bad"),
        ("!bad || a", "bad"),
        ("  !(a)&& bad", "bad"),
        ("a &&\n\tbad", "bad"),
        ("a && !bad", "!bad"),
    ],
)
def test_places_are_those_of_the_text_as_written(text: str, part: str) -> None:
    expression = parse(text)
    wanted = ast.UnaryOp if part.startswith("!") else ast.Name
    found = [
        expression.source(node)
        for node in ast.walk(expression.tree)
        if isinstance(node, wanted) and "bad" in expression.source(node)
    ]
    assert found == [part]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a if b else c", "a if b else c", "use where(condition, a, b)"),
        ("pt[0]", "pt[0]", "use max, min"),
        ("a in (1, 2)", "a in (1, 2)", "'x == 1 or x == 2'"),
        ("a not in b", "a not in b", "'x != 1 and x != 2'"),
        ("a is b", "a is b", "use =="),
        ("a is not b", "a is not b", "use !="),
        ("a + 'b'", "'b'", "neither a number nor a name"),
        ("a + b'b'", "b'b'", "neither a number nor a name"),
        ("a + None", "None", "neither a number nor a name"),
        ("a + 1j", "1j", "neither a number nor a name"),
        ("...", "...", "neither a number nor a name"),
        ("a + 18446744073709551616", "18446744073709551616", "does not fit 64 bits"),
        ("a.b(c)", "a.b", "only functions given by their name"),
        ('__import__("os").system("x")', '__import__("os").system', "only functions given"),
        ("f(**a)", "a", "'**' arguments are not allowed"),
        ("f(*a)", "*a", "'*a' is not allowed in an expression"),
        ("lambda: 1", "lambda: 1", "not allowed"),
        ("[a for a in b]", "[a for a in b]", "not allowed"),
        ("(a := 1)", "a := 1", "not allowed"),
        ("a, b", "a, b", "not allowed"),
        ("[a]", "[a]", "not allowed"),
        ("{a: b}", "{a: b}", "not allowed"),
        ("a @ b", "", "not allowed"),
        ("f'{a}'", "f'{a}'", "not allowed"),
        ("await a", "await a", "not allowed"),
    ],
)
def test_everything_outside_the_grammar_is_marked(text: str, place: str, message: str) -> None:
    error = refused(text)
    assert message in str(error)
    assert marked(error) == (place or text)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "", "empty"),
        (" \n ", " ", "empty"),
        ("pt >", ">", "something is missing at its end"),
        ("(pt > 1", "(", "'(' was never closed"),
        ("pt > 1)", ")", "unmatched ')'"),
        ("pt >> > 1", ">", "cannot stand here"),
        ("pt = 1", "", "not a valid expression"),
        ("pt > 1 eta", "", "not a valid expression"),
        ("1or 2", "", "not a valid expression"),
        ("a; b", ";", "not a valid expression"),
        ("pt > 5 # GeV", "#", "the character '#' is not allowed"),
        ("pt \u2265 5", "\u2265", "is not allowed"),
        ("p\u0442 > 5", "\u0442", "is not allowed"),
        ("pt\x00", "\x00", "'\\x00' is not allowed"),
        ("pt\r> 5", "\r", "'\\r' is not allowed"),
        ("1_000_000_000_000_000_000_000", None, "does not fit 64 bits"),
    ],
)
def test_text_that_is_no_expression_is_marked(text: str, place: str | None, message: str) -> None:
    error = refused(text)
    assert message in str(error)
    if place:
        assert marked(error) == place


@pytest.mark.parametrize("text", ["(" * 5000, "-" * 101 + "a", "f(" * 120 + "a" + ")" * 120])
def test_nesting_is_limited(text: str) -> None:
    assert "nested" in str(refused(text))


def test_reasonable_nesting_is_not() -> None:
    parse("-" * (MAX_NESTING // 2) + "a")
    parse(" + ".join(["pt"] * 40))
    parse(" and ".join(["pt > 1"] * 900))


def test_length_is_limited() -> None:
    parse("a" * MAX_LENGTH)
    assert "longer than" in str(refused("a" * (MAX_LENGTH + 1)))


def test_errors_know_where_the_expression_stands() -> None:
    place = Location("cuts.yaml", 7, 3)
    error = refused(SourceText.at("pt >", place))
    assert error.location == place
    assert str(error).startswith("cuts.yaml:7:3: ")


def test_the_line_of_a_long_expression_is_the_one_shown() -> None:
    error = refused("pt > 5 and\n  eta in b and\n  phi > 0")
    assert str(error).splitlines()[1:3] == ["      eta in b and", "      ^^^^^^^^"]


WORDS = """
    pt eta Ele.pt 1 2.5 1e9 0x 1j 'a' " ( ) [ ] { } , . : ; = == != < <= >> & && | || ! ~ + - * **
    / // % ^ @ not and or in is if else lambda for await yield max( count( default= : := \\ # $ ? `
    __import__ None True
"""
TOKENS = st.sampled_from(
    [*WORDS.split(), " ", "\n", "\t", "\r", "\x00", "\xe9", "\U0001d7d9", "\xaa"]
)
ANY = (
    st.text(max_size=40)
    | st.lists(TOKENS, max_size=15).map(" ".join)
    | st.lists(TOKENS, max_size=15).map("".join)
)


@settings(max_examples=400, deadline=None)
@example("\\")
@example("(\n")
@example("'")
@example("a\\\nb")
@example("!")
@example("0777")
@example("1__0")
@example("f'{")
@given(text=ANY)
def test_only_expression_errors_come_out(text: str) -> None:
    error = None
    try:
        expression = parse(text)
    except ExpressionError as caught:
        error = caught
    if error:
        start, stop = error.span
        assert 0 <= start <= stop <= max(len(error.text), 1)
        assert str(error)
    else:
        for node in ast.walk(expression.tree):
            if isinstance(node, ast.expr):
                again = parse(f"({expression.source(node)})")
                assert ast.dump(again.tree) == ast.dump(node)
