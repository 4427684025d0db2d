"""The public names of the library: what they are, that they are lazy, and that both clients agree."""

import ast
import difflib
import inspect
import json
import subprocess
import sys

import pytest

import streamusage
from streamusage import AsyncClient, Client, StreamUsageError
from tests.support.library.public_surface import FILE, describe_surface
from tests.support.program import REPOSITORY


def test_public_surface_is_the_one_that_was_promised() -> None:
    changes = list(
        difflib.unified_diff(
            FILE.read_text().splitlines(), describe_surface().splitlines(), "promised", "now", lineterm=""
        )
    )
    assert not changes, "\n".join(
        [
            "the public surface changed; a removed line breaks users (docs/library.md, Versions). If it is meant:",
            "python -m tests.support.library.public_surface, and a line in CHANGELOG.md",
            *changes,
        ]
    )


def modules_after(statement: str) -> set[str]:
    listing = "import json, sys; print(json.dumps([*sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{listing}"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_import_of_the_package_imports_nothing_else() -> None:
    assert modules_after("import streamusage") - modules_after("") == {"streamusage"}


def test_import_of_a_client_imports_neither_console_nor_service_nor_agent() -> None:
    found = modules_after("from streamusage import Client, AsyncClient")
    heavy = {"textual", "tui", "sqlalchemy", "starlette", "pydantic", "httpx", "apsw", "rich", "click"}
    assert not heavy & {name.partition(".")[0] for name in found}
    assert not [name for name in found if name.startswith(("streamusage.service", "streamusage.agent"))]


def test_every_public_name_can_be_imported_and_listed() -> None:
    for name in streamusage.__all__:
        assert getattr(streamusage, name) is not None
    assert set(streamusage.__all__) <= set(dir(streamusage))
    assert sorted(streamusage.__all__) == sorted({*streamusage._MODULES, "__version__"})
    with pytest.raises(AttributeError, match="no attribute 'Cliant'"):
        _ = streamusage.Cliant  # type: ignore[attr-defined]


def test_type_checkers_are_told_the_same_names() -> None:
    tree = ast.parse((REPOSITORY / "streamusage" / "__init__.pyi").read_text())
    imported = {
        alias.name: (node.module or "").removeprefix("streamusage.")
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == streamusage._MODULES
    exported = [node.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)]
    assert [ast.literal_eval(names) for names in exported] == [streamusage.__all__]


def test_every_public_error_is_of_the_documented_tree() -> None:
    page = (REPOSITORY / "docs" / "library.md").read_text()
    tree = page.partition("\n```\nStreamUsageError")[2].partition("```")[0]
    errors = {name for name in streamusage.__all__ if name.endswith("Error")}
    for name in errors:
        assert issubclass(getattr(streamusage, name), StreamUsageError)
        assert name == "StreamUsageError" or name in tree
    classes = [kind for kind in map(streamusage.__getattr__, errors) if isinstance(kind, type)]
    assert len(classes) == len(errors) > 10


def public_methods(client: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(value)
        for name, value in vars(client).items()
        if inspect.isfunction(value) and name[0] != "_"
    }


def test_both_clients_have_the_same_methods_and_parameters() -> None:
    blocking, concurrent = public_methods(Client), public_methods(AsyncClient)
    assert set(blocking) - {"close"} == set(concurrent) - {"aclose"}
    for name in set(blocking) - {"close"}:
        assert blocking[name].parameters == concurrent[name].parameters, name
    assert inspect.signature(Client) == inspect.signature(AsyncClient).replace(
        return_annotation=inspect.signature(Client).return_annotation
    )


def test_page_names_every_method() -> None:
    page = (REPOSITORY / "docs" / "library.md").read_text()
    assert {name for name in public_methods(Client) if f"`{name}(" not in page} == set()
