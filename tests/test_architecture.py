"""Who may import whom, and that importing does no work: read from the source, not from a run."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# each package may import those to its left: schemas <- runtime <- {skim, histo}
MAY_IMPORT = {
    "schemas": set[str](),
    "runtime": {"schemas"},
    "skim": {"schemas", "runtime"},
    "histo": {"schemas", "runtime"},
}

# what takes long to import is imported where it is used, so that no command pays for another's
NEVER_AT_IMPORT = {
    "awkward", "dask", "dask_awkward", "distributed", "duckdb", "fsspec", "hist", "matplotlib",
    "mplhep", "polars", "pyarrow", "rich", "ROOT", "uhi", "uproot", "XRootD",
}  # fmt: skip

AT_IMPORT = {
    "boost_histogram",
    "click",
    "cloudpickle",
    "msgspec",
    "numpy",
    "yaml",
}

MODULES = sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """Return the top-level packages that import statements name."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add((node.module or "").partition(".")[0])
    return found


def run_at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Iterate over what runs when a module is imported: no bodies of functions, no type checks."""
    for statement in body:
        if isinstance(statement, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(statement.test):
                yield from run_at_import([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.ClassDef):
            yield statement
            yield from run_at_import(statement.body)
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ast.walk(statement)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_flow_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = imported(ast.walk(parse(path))) & MAY_IMPORT.keys()
    assert ours <= MAY_IMPORT[package] | {package}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_heavy_packages_are_imported_where_they_are_used(path: Path) -> None:
    found = imported(run_at_import(parse(path).body)) - MAY_IMPORT.keys() - {"__future__"}
    assert not found & NEVER_AT_IMPORT
    assert found - set(sys.stdlib_module_names) <= AT_IMPORT


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_only_define(path: Path) -> None:
    for statement in parse(path).body:
        match statement:
            case ast.Expr(value=ast.Constant(value=str())):
                pass  # a docstring
            case ast.If(test=test):
                assert ast.unparse(test) in ("TYPE_CHECKING", "__name__ == '__main__'")
            case _:
                assert isinstance(
                    statement,
                    ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign
                    | ast.FunctionDef | ast.ClassDef,
                ), ast.unparse(statement)  # fmt: skip


IMPORT_ALL = """
import importlib, sys
from pathlib import Path

for name in ("boost_histogram", "click", "cloudpickle", "msgspec", "numpy", "yaml"):
    importlib.import_module(name)  # what these do is theirs

def watch(event, arguments):
    if event in ("socket.connect", "subprocess.Popen", "os.mkdir", "_thread.start_new_thread"):
        raise AssertionError(f"{event} {arguments}")
    if event == "open" and not str(arguments[0]).endswith((".py", ".so")):
        assert ".pyc" in str(arguments[0]), f"reads or writes {arguments[0]}"

sys.addaudithook(watch)
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_importing_everything_touches_no_file_and_starts_nothing() -> None:
    relative = [path.relative_to(ROOT).with_suffix("") for path in MODULES]
    modules = [".".join(path.parts).removesuffix(".__init__") for path in relative]
    done = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_ALL, *modules], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_wheel_lists_the_packages() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for package in MAY_IMPORT:
        assert f'"{package}"' in text.partition("packages = ")[2].partition("\n")[0]
