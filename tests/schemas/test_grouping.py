"""How branches become collections and fields."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from schemas.errors import ConfigError, InputError
from schemas.grouping import Branch, Layout, group_branches
from schemas.model import from_data
from schemas.ntuple import NtupleFormat, TreeFormat, format_names, load_format

ANY = NtupleFormat(name="any", tree="Events")


def group(*branches: Branch, form: NtupleFormat = ANY) -> Layout:
    return group_branches({"Events": (form.all_trees()[0], branches)}, form, "a.root")


def jagged(name: str, counter: str = "", kind: str = "float32", title: str = "") -> Branch:
    return Branch(name, kind, depth=1, counter=counter, title=title)


def placed(layout: Layout) -> dict[str, str]:
    """Return ``kind collection.field`` of each branch."""
    collections = layout.schema.collections
    return {
        place.branch: f"{collections[name].kind} {name}.{field}"
        for (name, field), place in layout.branches.items()
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
    assert ([place.branch for place in layout.branches.values()], layout.unsupported) == (
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
    form = from_data(
        {
            "name": "mine",
            "tree": "Events",
            "fields": {"pt": {"unit": "GeV", "doc": "Transverse momentum"}},
            "collections": {"Ele": {"doc": "Electrons", "fields": {"pt": {"unit": "MeV"}}}},
        },
        NtupleFormat,
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


@pytest.mark.parametrize("title", ["Ele_pt/F", "Ele_pt[nEle]/F", "Eles_pt[nEle]/F", "pt", ""])
def test_a_title_that_repeats_the_name_is_no_documentation(title: str) -> None:
    layout = group(jagged("Ele_pt", "nEle", title=title))
    assert layout.schema.collections["Ele"].fields["pt"].doc == ""


def test_vectors_take_their_counter_from_its_name_and_have_it_compared() -> None:
    layout = group(Branch("cl3d_n", "int32"), jagged("cl3d_pt"), Branch("cl3d_x", "float32"))
    assert placed(layout) == {"cl3d_pt": "list cl3d.pt", "cl3d_x": "event event.cl3d_x"}
    assert {name: place.branch for name, place in layout.counters.items()} == {"cl3d": "cl3d_n"}


def test_lists_of_lists_are_fields_of_their_collection() -> None:
    layout = group(jagged("cl3d_pt"), Branch("cl3d_clusters_id", "int32", depth=2))
    fields = layout.schema.collections["cl3d"].fields
    assert {name: info.type for name, info in fields.items()} == {
        "pt": "float32",
        "clusters_id": "list[int32]",
    }


def test_declared_beginnings_and_counters_name_collections() -> None:
    rules = TreeFormat(
        tree="t", collections={"EG": "eg", "EGamma": "egamma"}, counters={"EG": "nEGs"}
    )
    branches = [Branch("nEGs", "uint16"), *map(jagged, ("egEt", "egIEta", "egammaPt", "eg"))]
    layout = group_branches({"t": (rules, branches)}, NtupleFormat(name="x", trees=[rules]), "a")
    assert placed(layout) == {
        "egEt": "list EG.et",
        "egIEta": "list EG.iEta",
        "egammaPt": "list EGamma.pt",
        "eg": "list EG.value",
    }
    assert layout.counters["EG"].branch == "nEGs"


def group_tree(rules: TreeFormat, *branches: Branch) -> Layout:
    form = NtupleFormat(name="x", trees=[rules])
    return group_branches({"t": (rules, branches)}, form, "a")


def test_an_empty_beginning_takes_what_no_other_does() -> None:
    rules = TreeFormat(tree="t", collections={"Hit": "", "EG": "eg"})
    layout = group_tree(rules, *map(jagged, ("egEt", "Pt", "x_y")), Branch("run", "int32"))
    assert placed(layout) == {
        "egEt": "list EG.et",
        "Pt": "list Hit.Pt",
        "x_y": "list Hit.x_y",
        "run": "event event.run",
    }


def test_an_empty_counter_is_none() -> None:
    layout = group_tree(
        TreeFormat(tree="t", counters={"A": ""}), Branch("nA", "int32"), jagged("A_pt")
    )
    assert placed(layout) == {"nA": "event event.nA", "A_pt": "list A.pt"}
    assert layout.counters == {}


def test_of_two_usual_counters_the_first_counts_and_the_other_is_a_field() -> None:
    layout = group_tree(
        TreeFormat(tree="t"), Branch("nA", "int32"), Branch("A_n", "int32"), jagged("A_pt")
    )
    assert placed(layout) == {"A_n": "event event.A_n", "A_pt": "list A.pt"}


def test_values_per_event_of_a_tree_may_have_a_singleton_of_their_own() -> None:
    layout = group_tree(TreeFormat(tree="t", event="emu"), Branch("run", "int32"), jagged("A_pt"))
    assert placed(layout) == {"run": "singleton emu.run", "A_pt": "list A.pt"}


def test_objects_with_branches_of_one_name_name_all_their_branches() -> None:
    split = [replace(jagged(path.rpartition("/")[2]), path=path)
             for path in ("Tower/ieta", "Tower/iem", "Cluster/ieta", "Other/et")]  # fmt: skip
    assert placed(group(*split)) == {
        "Tower/ieta": "list Tower.ieta",
        "Tower/iem": "list Tower.iem",
        "Cluster/ieta": "list Cluster.ieta",
        "Other/et": "list et.value",
    }


@pytest.mark.parametrize(
    ("name", "place"), [("event", "events.event"), ("event_w", "event_w.value")]
)
def test_lists_are_never_fields_of_the_event(name: str, place: str) -> None:
    assert placed(group(jagged(name), Branch("run", "int32")))[name] == f"list {place}"


@pytest.mark.parametrize("name", ["Jet.pt", "Jet/pt", "_Jet_pt"])
def test_signs_in_names_become_underscores(name: str) -> None:
    assert placed(group(replace(jagged(name), path=name))) == {name: "list Jet.pt"}


def test_one_field_in_two_trees_names_both() -> None:
    form = NtupleFormat(name="two", trees=[TreeFormat(tree="a"), TreeFormat(tree="b")])
    trees = {rules.tree: (rules, [Branch("run", "int32")]) for rules in form.trees}
    with pytest.raises(InputError, match=r"'run' of 'a' and 'run' of 'b' are one field"):
        group_branches(trees, form, "a.root")


def test_two_things_that_would_be_one_column_are_refused() -> None:
    with pytest.raises(InputError, match="would be the column 'run'"):
        group(jagged("run_value"), Branch("run", "int32"))


@pytest.mark.parametrize("name", ["fastpuppi", "hgcal", "l1nano", "l1ntuple", "nanoaod"])
def test_shipped_formats_can_be_loaded(name: str) -> None:
    assert name in format_names()
    assert load_format(name, Path()).name == name


@pytest.mark.parametrize("text", ["{name: mine}", "{name: mine, tree: a, trees: [{tree: b}]}"])
def test_a_format_has_one_tree_or_several(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match="give either 'tree', or 'trees'"):
        load_format("mine.yaml", tmp_path)


def test_a_format_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("{name: mine, tree: ntuple/tree}")
    assert load_format("mine.yaml", tmp_path).tree == "ntuple/tree"


def test_an_unknown_format_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown schema 'fastpupi'.*did you mean 'fastpuppi'"):
        load_format("fastpupi", Path())
