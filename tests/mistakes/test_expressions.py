"""What users write wrongly in expressions; both commands answer alike.

The guillemets are not part of the expression: they say which part of it must be marked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

HISTO = """\
selections:
  Cut: '{}'
histograms: {{H: {{fill: {{pt: {{axis: [10, 0, 100]}}}}, for: {{TkEleL2: Cut}}}}}}
"""
SKIM = """\
schema: fastpuppi
samples: {{ele: ntuples/*.root}}
keep: {{TkEleL2: all}}
objects:
  TkEleL2: '{}'
"""
COMMANDS = {
    "histo": (HISTO, "histo run config.yaml made -o out.root"),
    "skim": (SKIM, "skim run config.yaml -o out"),
}

COMPARE = "compare it with something, for instance '... > 0'"
REDUCE = "reduce one of them with any, all, count, sum, min, max, mean"

# what is wrong: the condition on the objects of TkEleL2, what is said, the hint
NAMES = {
    "field with the wrong case": ("pt > 5 and «tkiso» < 1", "field of TkEleL2", "mean 'tkIso'?"),
    "name of a branch": ("count(TkEmL2.pt > 5) > «TkEmL2_pt»", "'TkEmL2_pt'", "mean 'TkEmL2.pt'?"),
    "field of another collection": ("«pfEmIdPass»", "'pfEmIdPass'", "mean 'HGCal3DCl.pfEmIdPass'?"),
    "unknown collection": (
        "any(«TkEm2».pt > 5)", "unknown collection 'TkEm2'", "did you mean 'TkEmL2'",
    ),
    "unknown field of a collection": (
        "any(«TkEmL2.Pt» > 5)", "TkEmL2 has no field 'Pt'", "did you mean 'pt'?",
    ),
    "collection instead of a field": (
        "any(«TkEmL2»)", "'TkEmL2' is a collection, not a number", "for instance TkEmL2.",
    ),
    "singleton instead of its field": (
        "«L1PuppiMet» > 50", "'L1PuppiMet' is a collection, not a number", "L1PuppiMet.pt",
    ),
    "field of the event with a prefix": (
        "«event.run» > 1", "fields of the event stand alone", "write 'run'",
    ),
    "two dots": ("«TkEleL2.pt.pt» > 1", "only 'Collection.field' has a dot", ""),
    "unknown function": ("«fabs»(eta) < 1", "unknown function 'fabs'", "did you mean 'abs'?"),
    "function of NumPy": ("«np.abs»(eta) < 1", "only functions given by their name", ""),
}  # fmt: skip

TYPES = {
    "number instead of a condition": ("«pt»", "a condition is needed, and this is a num", COMPARE),
    "number in a combination": (
        "«hwQual» and pt > 5", "'and' takes conditions, and 'hwQual' is a number (int32)",
        "'hwQual != 0'",
    ),
    "number negated": ("!«pt»", "'not' takes conditions", "'pt != 0'"),
    "condition with a number": ("«(pt > 5) == 1»", "'==' compares a condition with a number", ""),
    "condition in a function": ("abs(«eta > 1») > 0", "'abs' takes numbers, and this is a", ""),
    "sum of conditions": (
        "«(pt > 5) + (eta > 1)» > 1", "'+' of two conditions is ambiguous", "use 'and' or 'or'",
    ),
    "bits of a real number": (
        "(«hwQual & pt») > 2", "'&' takes two integers or two conditions", "binds tighter",
    ),
    "comparisons joined by &": (
        "hwQual > «1 & pt» > 2", "'&' takes two integers or two conditions",
        "write (a > 1) & (b > 2), or use 'and'",
    ),
    "collections mixed": ("«pt > TkEmL2.pt»", "mixes objects of TkEleL2 and TkEmL2", REDUCE),
    "reduction of one value": ("any(«run > 1»)", "'any' needs values of objects", ""),
    "reduction of two values": ("«max(pt, 5)» > 1", "takes one argument", "is maximum(a, b)"),
    "count of numbers": ("count(«pt») > 1", "'count' takes conditions", "'pt != 0'"),
    "sum of a condition": ("sum(«pt > 5») > 1", "'sum' takes numbers", "count(...) counts"),
    "unknown argument": ("«max(pt, defualt=0)» > 1", "'max' has no argument 'defualt'", ""),
    "too few arguments": ("«deltaphi(phi)» > 1", "takes 2 arguments: deltaphi(phi1, phi2)", ""),
    "too many arguments": ("«abs(pt, eta)» > 1", "'abs' takes 1 argument: abs(x)", ""),
    "number too large": ("«2**100» > pt", "the exponent is larger than 64", ""),
}  # fmt: skip

SYNTAX = {
    "assignment": ("pt «=» 5", "not a valid expression", "'==' compares"),
    "misspelt word": ("pt > 5 «abd» eta < 1", "this cannot stand here", ""),
    "capital letters": ("pt > 5 «AND» eta < 1", "this cannot stand here", "write 'and'"),
    "operand missing": ("pt > 5 and «and» eta < 1", "this cannot stand here", "write 'and'"),
    "end missing": ("pt > 5 an«d»", "something is missing at its end", ""),
    "parenthesis not closed": ("abs«(»eta < 1", "'(' was never closed", ""),
    "parenthesis not opened": ("pt > 5«)»", "unmatched ')'", ""),
    "choice as in C": ("pt > 5 «?» 1 : 0", "this cannot stand here", "use where(condition, a, b)"),
    "choice as in Python": ("«1 if pt > 5 else 0»", "use where(condition, a, b)", ""),
    "index": ("«pt[0]» > 5", "indexing with [...] is not allowed", "use max, min, sum"),
    "membership": ("«hwQual in (1, 2)»", "'in' is not allowed; write 'x == 1 or x == 2'", ""),
    "unit": ("pt > «5GeV»", "invalid decimal literal", ""),
    "letter that is not ASCII": ("pt «≥» 5", "the character '≥' is not allowed", ""),
    "comment": ("pt > 5 «#» GeV", "the character '#' is not allowed", ""),
}

FORBIDDEN = {
    "import": ('«__import__("os").system»("touch ran")', "only functions given by their name"),
    "call of a builtin": ('eval(«"1"»)', "neither a number nor a name"),
    "builtin": ("«open»(pt)", "unknown function 'open'"),
    "lambda": ("«lambda: pt»", "'lambda: pt' is not allowed"),
    "comprehension": ("«[x for x in pt]»", "'[x for x in pt]' is not allowed"),
    "attributes of an object": ("«()».__class__.__bases__", "'()' is not allowed"),
    "attributes of a field": ("«pt».__class__ > 1", "unknown collection 'pt'"),
    "attributes of a collection": ("«TkEleL2.__class__» > 1", "has no field '__class__'"),
    "formatted text": ('«f"{pt}"»', "is not allowed in an expression"),
    "text": ('pt == «"5"»', "neither a number nor a name"),
    "assignment expression": ("(«x := 5») > 1", "'x := 5' is not allowed"),
    "unpacking": ("max(«*pt»)", "is not allowed"),
    "None": ("pt > «None»", "neither a number nor a name"),
    "deep nesting": ("-" * 150 + "pt", "nested deeper than 100 levels"),
}

Case = tuple[str, str, str]
MISTAKES: dict[str, Case] = {
    **NAMES, **TYPES, **SYNTAX, **{name: (*case, "") for name, case in FORBIDDEN.items()},
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(workshop: Any, command: str, case: Case) -> None:
    wrong, message, hint = case
    template, call = COMMANDS[command]
    said = workshop.mistake_in(template.format(wrong), call)
    assert message in said
    assert hint in said
    assert not Path("ran").exists()


def test_empty_expression(workshop: Any) -> None:
    template, call = COMMANDS["histo"]
    said = workshop.mistake_in(template.replace("'{}'", "'«'»").format(), call)
    assert "the expression is empty" in said


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("|\n    pt > 5 and\n    tkiso < 1", "tkiso < 1"),
        (">\n    pt > 5 and\n    tkiso < 1", "pt > 5 and tkiso < 1"),
        ("pt > 5 and\n    tkiso < 1", "pt > 5 and tkiso < 1"),
        ('"pt > 5 and \\\n    tkiso < 1"', "pt > 5 and tkiso < 1"),
    ],
)
def test_expression_on_several_lines(workshop: Any, written: str, shown: str) -> None:
    template, call = COMMANDS["histo"]
    said = workshop.mistake_in(template.replace("'{}'", written).format(), call)
    assert said.startswith("Error: config.yaml:2:")  # where the expression starts
    below = " " * shown.index("tkiso") + "^" * 5
    assert f"\n    {shown}\n    {below}\n" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_debug_shows_the_traceback(workshop: Any, command: str) -> None:
    template, call = COMMANDS[command]
    Path("config.yaml").write_text(template.format("ptt > 5"))
    code, stdout, stderr = workshop.ask(f"{call} --debug")
    assert (code, stdout) == (2, "")
    assert stderr.startswith("Traceback (most recent call last):")
    assert "\nError: config.yaml:" in stderr
