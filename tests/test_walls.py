"""The walls of the house: who may import whom, and what starts without the heavy libraries."""

import ast
import graphlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path

import pytest

from tests.support.program import REPOSITORY

SERVICE_SIDE = ["streamusage", "streamusage.agent", "streamusage.service", "streamusage.client"]
MAIN_MODULES = ["streamusage.agent.cli", "streamusage.service.cli"]


def imported_by(statements: str) -> set[str]:
    """The top-level packages that a fresh interpreter holds after the statements."""
    listing = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{statements}\n{listing}"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_import_contracts_hold() -> None:
    linter = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", linter], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("module", SERVICE_SIDE + MAIN_MODULES)
def test_what_the_console_watches_runs_without_textual(module: str) -> None:
    assert not {"textual", "tui", "plotext"} & imported_by(f"import {module}")


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(flag: str) -> None:
    imported = imported_by(f"from tui.cli import streamtop; streamtop.main(['{flag}'], standalone_mode=False)")
    assert not {"textual", "sqlalchemy", "httpx", "pydantic", "msgspec", "rich"} & imported


def test_a_client_command_imports_neither_console_nor_store() -> None:
    assert not {"textual", "sqlalchemy", "starlette", "plotext"} & imported_by(
        "import tui.commands.rm, tui.commands.ls"
    )


MOST_MODULES_IN_A_FOLDER = 20


def modules_of(package: str) -> dict[str, Path]:
    """The files of a package's modules, by module name."""
    files = (REPOSITORY / package).rglob("*.py")
    return {
        ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): file for file in files
    }


def imports_of(module: str, file: Path, known: Collection[str]) -> set[str]:
    """The modules among `known` that a module imports at its top level or for type checking only.

    An import inside a function does not run while modules load; it is how commands are loaded lazily.
    """
    found: set[str] = set()
    pending: list[ast.stmt] = list(ast.parse(file.read_text("utf-8")).body)
    while pending:
        statement = pending.pop()
        if isinstance(statement, ast.If | ast.Try):
            pending += [child for child in ast.walk(statement) if isinstance(child, ast.Import | ast.ImportFrom)]
        elif isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.module is not None and not statement.level:
            submodules = {f"{statement.module}.{alias.name}" for alias in statement.names}
            found |= (submodules & set(known)) or {statement.module}
    return found & set(known) - {module}


@pytest.mark.parametrize("package", ["tui", "streamusage"])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    modules = modules_of(package)
    imports = {module: imports_of(module, file, modules) for module, file in modules.items()}
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", ["tui", "streamusage", "bench", "tests"])
def test_no_folder_has_more_modules_than_a_reader_can_survey(package: str) -> None:
    modules = Counter(file.parent for file in modules_of(package).values() if file.name != "__init__.py")
    assert {str(folder): number for folder, number in modules.items() if number > MOST_MODULES_IN_A_FOLDER} == {}


def test_no_test_module_is_imported() -> None:
    """What several test modules need is in a module of its own, such as those in `tests/support/`."""
    importers = {
        f"{path.relative_to(REPOSITORY)}: {node.module}"
        for folder in ("tests", "bench")
        for path in (REPOSITORY / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").rpartition(".")[2].startswith("test_")
    }
    assert not importers


def test_no_public_class_name_has_two_meanings() -> None:
    names: dict[str, list[str]] = defaultdict(list)
    for package in ("tui", "streamusage"):
        for module, file in modules_of(package).items():
            for statement in ast.parse(file.read_text("utf-8")).body:
                if isinstance(statement, ast.ClassDef) and not statement.name.startswith("_"):
                    names[statement.name].append(module)
    assert {name: modules for name, modules in names.items() if len(modules) > 1} == {}
