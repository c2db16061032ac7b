"""The JSON Schemas for editors, and Python functions that a configuration opts into."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml

from histo.load import read_histograms
from schemas.histo_config import HistoConfig
from schemas.skim_config import SkimConfig
from tests.strategies import part_of, random_events, write_dataset

CONFIGS = Path(__file__).parents[2] / "configs"
Command = Callable[..., Any]
Schema = dict[str, Any]
MODELS: dict[str, type[msgspec.Struct]] = {"histo": HistoConfig, "skim": SkimConfig}


@pytest.fixture(scope="module", params=["histo", "skim"])
def stage(request: pytest.FixtureRequest) -> str:
    """Each stage in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def schema(stage: str, histo: Command, skim: Command) -> Schema:
    """What ``histo schema`` or ``skim schema`` prints."""
    printed = {"histo": histo, "skim": skim}[stage]("schema")
    assert printed.exit_code == 0, printed.output
    found: Schema = json.loads(printed.stdout)
    return found


def parts(schema: Any) -> Iterator[Schema]:
    """Iterate over a schema and all that is inside it."""
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from parts(value)


def objects(schema: Schema) -> dict[str, Schema]:
    """The schemas of all mappings with fixed keys, by name."""
    named = {"": schema, **schema.get("$defs", {})}
    return {name: one for name, one in named.items() if "properties" in one}


def test_the_dialect_is_named(schema: Schema) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["type"] == "object"


def test_all_references_lead_somewhere(schema: Schema) -> None:
    references = {part["$ref"] for part in parts(schema) if isinstance(part.get("$ref"), str)}
    assert references
    for reference in references:
        folder, _, name = reference.rpartition("/")
        assert folder == "#/$defs"
        assert name in schema["$defs"]


def test_every_key_of_the_configuration_is_there(schema: Schema, stage: str) -> None:
    keys = set(MODELS[stage].__struct_encode_fields__)
    assert set(schema["properties"]) == keys | {"include"}


def test_every_key_of_every_mapping_is_described(schema: Schema) -> None:
    for name, one in objects(schema).items():
        if name.endswith("Axis"):  # only its short forms are written
            continue
        for key, value in one["properties"].items():
            assert value.get("description"), f"{name}.{key}"


def test_unknown_keys_are_refused_everywhere(schema: Schema) -> None:
    for name, one in objects(schema).items():
        assert one.get("additionalProperties") is False, name


def test_nothing_is_required_that_an_included_file_may_say(schema: Schema) -> None:
    assert "required" not in schema


def test_types_are_those_of_json_schema(schema: Schema) -> None:
    known = {"object", "array", "string", "number", "integer", "boolean", "null"}
    for part in parts(schema):
        if isinstance(part.get("type"), str):
            assert part["type"] in known


def accepts(schema: Schema, value: Any, root: Schema) -> bool:
    """Tell whether a value is valid, by the keywords that the two schemas use."""
    if "$ref" in schema:
        return accepts(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    if "anyOf" in schema or "oneOf" in schema:
        options = schema.get("anyOf", schema.get("oneOf"))
        return any(accepts(option, value, root) for option in options)
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    kinds = {
        "object": dict, "array": list, "string": str, "number": int | float, "integer": int,
        "boolean": bool, "null": type(None),
    }  # fmt: skip
    kind = schema.get("type")
    if kind and not isinstance(value, kinds[kind]):
        return False
    if kind in ("number", "integer") and isinstance(value, bool):
        return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        if not set(schema.get("required", ())) <= set(value):
            return False
        return all(
            accepts(known[key], inner, root)
            if key in known
            else others is True or (others is not False and accepts(others, inner, root))
            for key, inner in value.items()
        )
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return False
        return all(accepts(schema.get("items", {}), inner, root) for inner in value)
    return True


SHIPPED = sorted(CONFIGS.rglob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_shipped_configurations_are_valid(path: Path, histo: Command, skim: Command) -> None:
    command = skim if path.is_relative_to(CONFIGS / "skim") else histo
    schema = json.loads(command("schema").stdout)
    assert accepts(schema, yaml.safe_load(path.read_text()), schema)


WRONG = {
    "unknown key": "histogram: {}",
    "unknown key of a group": "histograms: {G: {fil: {}}}",
    "unknown key of a collection": "collections: {Z: {pair: Ele}}",
    "unknown key of a rate": "histograms: {G: {rate: {pt: {axis: [5, 0, 9], uni: kHz}}}}",
    "number of a collection": "collections: {Z: {highest: two, of: Ele, by: pt}}",
    "counter that is a text": "histograms: {G: {counter: sure}}",
    "unknown unit": "histograms: {G: {rate: {pt: {axis: [5, 0, 9], unit: Hz}}}}",
    "matching without best": "matches: {m: {to: Jet, gen: all, for: {Ele: all}}}",
    "no axis": "histograms: {G: {fill: {pt: {axes: [{of: pt}]}}}}",
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_configurations_are_invalid(name: str, histo: Command) -> None:
    schema = json.loads(histo("schema").stdout)
    assert not accepts(schema, yaml.safe_load(WRONG[name]), schema)


# -- functions ----------------------------------------------------------------------------------

ALLOWED = ("--allow-functions", "numpy", "--allow-functions", "operator")

FUNCTIONS = """
functions: {longer: "numpy:hypot", absolute: "operator:abs"}
selections: {Far: "longer(pt, eta) > 5"}
histograms:
  G:
    fill:
      length: {of: "longer(pt, eta)", axis: [40, 0, 20]}
      pt: {of: absolute(pt), axis: [40, 0, 20]}
      n: {per_event: count(), axis: {integer: [0, 9]}}
    for: {Ele: all | Far}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of three partitions, and the configuration."""
    made = tmp_path_factory.mktemp("functions")
    whole = random_events(90)
    parts = [part_of(whole, start, start + 30) for start in (0, 30, 60)]
    write_dataset(made / "dataset", {"s": parts})
    (made / "functions.yaml").write_text(FUNCTIONS)
    plain = FUNCTIONS.replace("longer(", "hypot(").replace("absolute(", "abs(")
    (made / "plain.yaml").write_text("".join(plain.splitlines(keepends=True)[2:]))
    return made


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_python_functions_are_called_by_name(
    scheduler: str, folder: Path, histo: Command, tmp_path: Path
) -> None:
    outputs = []
    for name in ("functions", "plain"):
        outputs.append(tmp_path / f"{name}.json")
        made = histo(
            "run", folder / f"{name}.yaml", folder / "dataset", "-o", outputs[-1],
            "--scheduler", scheduler, "--workers", 2, *ALLOWED,
        )  # fmt: skip
        assert made.exit_code == 0, made.output
    found, expected = (read_histograms(output).histograms for output in outputs)
    assert list(found) == list(expected)
    for name, histogram in found.items():
        assert histogram.values().any()
        np.testing.assert_array_equal(histogram.values(), expected[name].values(), name)


def test_only_the_columns_of_the_arguments_are_read(folder: Path, histo: Command) -> None:
    listed = histo("list", folder / "functions.yaml", folder / "dataset", *ALLOWED)
    assert listed.exit_code == 0, listed.output
    last = listed.output.rpartition("Reads from")[2]
    assert "eta, pt" in last
    assert "phi" not in last


@pytest.mark.parametrize("command", ["run", "list"])
@pytest.mark.parametrize("allowed", [(), ("--allow-functions", "numpy")])
def test_functions_run_only_if_the_command_line_allows_their_module(
    command: str, allowed: tuple[str, ...], folder: Path, histo: Command, tmp_path: Path
) -> None:
    output = ("-o", tmp_path / "out.root") if command == "run" else ()
    made = histo(command, folder / "functions.yaml", folder / "dataset", *output, *allowed)
    assert (made.exit_code, made.stdout) == (2, "")
    line, module = (2, "operator") if allowed else (2, "numpy")
    assert f"functions.yaml:{line}:" in made.stderr
    assert f"if you trust it, add --allow-functions {module}\n" in made.stderr
    assert not (tmp_path / "out.root").exists()


def test_nothing_of_a_module_that_is_not_allowed_runs(
    folder: Path, histo: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hostile_module.py").write_text("open('ran', 'w')\ndef f(x): return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    text = FUNCTIONS.replace("operator:abs", "hostile_module:f")
    (tmp_path / "config.yaml").write_text(text)
    for command in (("list",), ("list", folder / "dataset"), ("run", folder / "dataset")):
        output = ("-o", tmp_path / "out.root") if command[0] == "run" else ()
        histo(command[0], tmp_path / "config.yaml", *command[1:], *output, *ALLOWED)
        assert not (tmp_path / "ran").exists()
