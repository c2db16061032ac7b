"""Families of selections: what they expand to, in which order, and how mistakes are answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histo.families import Member, expand_families
from schemas.errors import ConfigError, ExpressionError, Location
from schemas.load import SourceText

KNOWN = ["MenuEle36", "MenuEle28", "MenuPho", "EtaEB", "EtaEE", "Tight"]


def names(*texts: str) -> list[str]:
    return [member.name for member in expand_families(texts, KNOWN)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", ["all"]),
        ("Tight", ["Tight"]),
        ("Tight | EtaEB", ["Tight", "EtaEB"]),
        ("Tight|EtaEB", ["Tight", "EtaEB"]),
        ("Tight x EtaEB", ["TightEtaEB"]),
        ("EtaEB x Tight", ["EtaEBTight"]),
        ("all x EtaEB", ["EtaEB"]),
        ("EtaEB x all", ["EtaEB"]),
        ("all x all", ["all"]),
        ("MenuEle*", ["MenuEle36", "MenuEle28"]),
        ("Eta?B", ["EtaEB"]),
        ("Eta[EB]?", ["EtaEB", "EtaEE"]),
        ("Menu* x (all | EtaEB)", [
            "MenuEle36", "MenuEle36EtaEB", "MenuEle28", "MenuEle28EtaEB", "MenuPho", "MenuPhoEtaEB",
        ]),
        ("Tight | MenuPho x EtaEE", ["Tight", "MenuPhoEtaEE"]),
        ("(Tight | MenuPho) x Eta*", [
            "TightEtaEB", "TightEtaEE", "MenuPhoEtaEB", "MenuPhoEtaEE",
        ]),
        ("Tight x EtaEB x MenuPho", ["TightEtaEBMenuPho"]),
        ("((Tight))", ["Tight"]),
        ("Tight | Tight | T*", ["Tight"]),
    ],
)  # fmt: skip
def test_families_expand_in_the_order_written(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_members_keep_their_parts() -> None:
    assert expand_families(["Tight x (all | EtaEB)"], KNOWN) == [
        Member("Tight", ("Tight",)),
        Member("TightEtaEB", ("Tight", "EtaEB")),
    ]
    assert expand_families(["all"], KNOWN) == [Member("all", ())]


def test_several_families_are_joined_and_each_member_stands_once() -> None:
    assert names("Tight | EtaEB", "Eta*", "all") == ["Tight", "EtaEB", "EtaEE", "all"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("«Tigth»", "no selection 'Tigth' // did you mean 'Tight'?"),
        ("Tight x «Etaeb»", "did you mean 'EtaEB'"),
        ("Tight | «Foo*»", "pattern matches no selection 'Foo*'"),
        ("«tight*»", "pattern matches no selection 'tight*' // did you mean 'Tight'?"),
        ("«All»", "no selection 'All' // did you mean 'all'?"),
        ("Tight «EtaEB»", "expected 'x', '|' or the end"),
        ("Tight «X» EtaEB", "expected 'x', '|' or the end"),
        ("Tight «)»", "expected 'x', '|' or the end"),
        ("(Tight x EtaEB", "expected ')'"),
        ("(Tight «EtaEB»)", "expected ')'"),
        ("Tight x", "expected the name of a selection"),
        ("Tight x «x» EtaEB", "expected the name of a selection"),
        ("«|» Tight", "expected the name of a selection"),
        ("(«)»", "expected the name of a selection"),
        ("", "expected the name of a selection"),
        ("  ", "expected the name of a selection"),
    ],
)
def test_mistakes_are_marked_and_answered(text: str, says: str) -> None:
    before, _, rest = text.partition("«")
    part, _, after = rest.partition("»")
    place = Location("histo.yaml", 3, 8)
    with pytest.raises(ExpressionError) as caught:
        expand_families([SourceText.at(before + part + after, place)], KNOWN)
    for piece in says.split(" // "):
        assert piece in str(caught.value)
    start, stop = caught.value.span
    if part:
        assert (before + part + after)[start:stop] == part
    else:
        assert start == len(text)
    assert caught.value.location == place


def test_two_members_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="AB and A x B are both called 'AB'"):
        expand_families(["AB | A x B"], ["A", "B", "AB"])


@given(st.text("AB x|()*? all\t", max_size=20))
def test_any_text_is_a_family_or_an_error(text: str) -> None:
    found: list[Member] = []
    try:
        found = expand_families([text], ["A", "B", "AxB"])
    except ConfigError as error:
        said = str(error)
    else:
        said = " ".join(member.name for member in found)
    assert said
    assert len({member.name for member in found}) == len(found)
