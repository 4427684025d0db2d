"""The extras: the same in `pyproject.toml`, and every other module runs without them."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from streamusage.extras import EXTRAS, describe_missing, describe_unusable, install_command, missing_modules
from tests.support.program import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
DECLARED: dict[str, list[str]] = PROJECT["optional-dependencies"]
OWN = {"streamusage", "tui"}
WITH_EXTRAS = {
    "streamusage/agent": {"agent"},
    "streamusage/service": {"service", "postgres"},
    "tui/demo": {"service", "agent", "pictures"},
    "tui/output/parquet.py": {"parquet"},
}
"""The extras whose modules a folder or a file may import."""


def packages(requirements: list[str]) -> set[str]:
    """Return the normalised names of the packages."""
    return {re.split(r"[\[<>=~!; ]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


DISTRIBUTIONS = packages_distributions()


def packages_of(module: str) -> set[str]:
    return {name.lower().replace("_", "-") for name in DISTRIBUTIONS.get(module, [])}


@pytest.mark.parametrize("name", [name for name in EXTRAS if name != "pictures"])  # the tests need no pictures
def test_every_package_of_an_extra_has_its_module(name: str) -> None:
    named = set().union(*(packages_of(module) for module in EXTRAS[name].modules))
    assert named == packages(DECLARED[name])
    assert missing_modules(name) == []


def test_all_and_test_include_the_extras_of_the_program() -> None:
    assert DECLARED["all"] == ["streamtop[service,agent,postgres]"]
    assert "streamtop[all,docs,parquet]" in DECLARED["test"]
    assert set(DECLARED) == {*EXTRAS, "all", "test"}


def imported_modules(file: Path) -> set[str]:
    """Return the top-level names that a file imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - OWN - {"_typeshed"}


@pytest.mark.parametrize("package", sorted(OWN))
def test_modules_import_only_what_their_installation_has(package: str) -> None:
    console = packages(PROJECT["dependencies"]) | {"pydantic-core"}  # pydantic's own
    surprising = {}
    for file in (REPOSITORY / package).rglob("*.py"):
        path = file.relative_to(REPOSITORY).as_posix()
        extras = set().union(*(extras for place, extras in WITH_EXTRAS.items() if path.startswith(place)))
        allowed = console.union(*(packages(DECLARED[extra]) for extra in extras))
        if strange := {module for module in imported_modules(file) if not packages_of(module) & allowed}:
            surprising[path] = strange
    surprising.pop("tui/demo/screenshots.py", None)  # the test environment lacks resvg_py
    assert surprising == {}


def test_command_names_the_missing_extra_and_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h11", None)
    monkeypatch.setattr(sys, "executable", "/opt/my venv/bin/python")
    assert describe_missing("streamtop serve", ("service",)) == ""
    assert describe_missing("streamtop agent", ("service", "agent")) == (
        "streamtop agent needs the extra 'agent' (not installed: h11); nothing was done; "
        "install with: '/opt/my venv/bin/python' -m pip install 'streamtop[agent]'"
    )
    monkeypatch.setitem(sys.modules, "starlette", None)
    assert describe_missing("the demo", ("service", "agent"), suggested="all") == (
        "the demo needs the extras 'service' and 'agent' (not installed: starlette, h11); nothing was done; "
        "install with: '/opt/my venv/bin/python' -m pip install 'streamtop[all]'"
    )


def test_library_that_cannot_be_imported_is_named_with_its_cause() -> None:
    text = describe_unusable("writing Parquet", "parquet", ImportError("libarrow.so.2600: no such file"))
    assert text.startswith(
        "writing Parquet needs the extra 'parquet' (libarrow.so.2600: no such file); nothing was done"
    )
    assert text.endswith(install_command(["parquet"]))
