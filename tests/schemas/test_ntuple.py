"""How branches become collections and fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ConfigError, InputError
from schemas.ntuple import Branch, Layout, NtupleFormat, format_names, group_branches, load_format

ANY = NtupleFormat(name="any", tree="Events")


def group(*branches: Branch, form: NtupleFormat = ANY) -> Layout:
    return group_branches(branches, form, "a.root")


def jagged(name: str, counter: str = "", kind: str = "float32", title: str = "") -> Branch:
    return Branch(name, kind, jagged=True, counter=counter, title=title)


def placed(layout: Layout) -> dict[str, str]:
    """Return ``kind collection.field`` of each branch."""
    collections = layout.schema.collections
    return {
        branch: f"{collections[name].kind} {name}.{field}"
        for (name, field), branch in layout.branches.items()
    }


def test_branches_with_a_counter_are_fields_of_a_collection() -> None:
    layout = group(Branch("nEle", "int32"), jagged("Ele_pt", "nEle"), jagged("Ele_eta", "nEle"))
    assert placed(layout) == {"Ele_pt": "list Ele.pt", "Ele_eta": "list Ele.eta"}


def test_a_collection_may_have_an_underscore_in_its_name() -> None:
    layout = group(jagged("Gen_Jet_pt", "nGen_Jet"))
    assert placed(layout) == {"Gen_Jet_pt": "list Gen_Jet.pt"}


def test_a_collection_of_plain_numbers_has_one_field() -> None:
    layout = group(Branch("nLHEPdfWeight", "uint32"), jagged("LHEPdfWeight", "nLHEPdfWeight"))
    assert placed(layout) == {"LHEPdfWeight": "list LHEPdfWeight.value"}


def test_branches_without_a_counter_are_singletons() -> None:
    assert placed(group(Branch("MET_pt", "float32"))) == {"MET_pt": "singleton MET.pt"}


@pytest.mark.parametrize("name", ["run", "nTracks", "event_weight"])
def test_all_others_belong_to_the_event(name: str) -> None:
    assert placed(group(Branch(name, "uint32"))) == {name: f"event event.{name}"}


def test_one_value_per_event_beside_a_collection_belongs_to_the_event() -> None:
    layout = group(jagged("Jet_pt", "nJet"), Branch("Jet_rho", "float32"))
    assert placed(layout)["Jet_rho"] == "event event.Jet_rho"


def test_a_branch_that_is_no_number_is_named_with_its_type() -> None:
    layout = group(Branch("run", "int32"), Branch("name", "", typename="std::string"))
    assert (list(layout.branches.values()), layout.unsupported) == (
        ["run"],
        {"name": "std::string"},
    )


def test_two_branches_that_claim_one_field_are_refused() -> None:
    with pytest.raises(InputError, match=r"a\.root: branches 'A_pt' and 'A_pt' are one field"):
        group(jagged("A_pt", "nA"), jagged("A_pt", "nA"))


def test_fields_keep_the_order_of_the_file() -> None:
    layout = group(*(jagged(f"A_{name}", "nA") for name in ("z", "a", "m")))
    assert list(layout.schema.collections["A"].fields) == ["z", "a", "m"]


def test_what_the_format_knows_comes_before_the_title() -> None:
    form = NtupleFormat.model_validate(
        {
            "name": "mine",
            "tree": "Events",
            "fields": {"pt": {"unit": "GeV", "doc": "Transverse momentum"}},
            "collections": {"Ele": {"doc": "Electrons", "fields": {"pt": {"unit": "MeV"}}}},
        }
    )
    layout = group(
        jagged("Ele_pt", "nEle", title="the pt"), jagged("Mu_pt", "nMu", title="other"), form=form
    )
    collections = layout.schema.collections
    assert collections["Ele"].doc == "Electrons"
    assert (collections["Ele"].fields["pt"].unit, collections["Ele"].fields["pt"].doc) == (
        "MeV",
        "the pt",
    )
    assert collections["Mu"].fields["pt"].doc == "Transverse momentum"


@pytest.mark.parametrize("title", ["Ele_pt/F", "Ele_pt[nEle]/F", "pt", ""])
def test_a_title_that_repeats_the_name_is_no_documentation(title: str) -> None:
    layout = group(jagged("Ele_pt", "nEle", title=title))
    assert layout.schema.collections["Ele"].fields["pt"].doc == ""


def test_a_type_that_the_format_fixes_is_required() -> None:
    form = load_format("fastpuppi", Path())
    with pytest.raises(InputError, match="'Ele_pt' holds float64, and format 'fastpuppi' says"):
        group(jagged("Ele_pt", "nEle", kind="float64"), form=form)


@pytest.mark.parametrize("name", ["fastpuppi", "nanoaod"])
def test_shipped_formats_can_be_loaded(name: str) -> None:
    assert name in format_names()
    form = load_format(name, Path())
    assert (form.name, form.tree) == (name, "Events")


def test_a_format_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("{name: mine, tree: ntuple/tree}")
    assert load_format("mine.yaml", tmp_path).tree == "ntuple/tree"


def test_an_unknown_format_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown schema 'fastpupi'.*did you mean 'fastpuppi'"):
        load_format("fastpupi", Path())
