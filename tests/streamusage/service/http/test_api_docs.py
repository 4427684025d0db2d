"""`docs/api.md` and the table of operations describe the same API: operations, answers and their fields."""

import json
import re
import typing
from typing import Any

import msgspec
import pytest

from streamusage.service.http.operations import OPERATIONS, Operation
from tests.support.program import REPOSITORY

PAGE = (REPOSITORY / "docs" / "api.md").read_text()
SECTIONS = {section.partition("\n")[0]: section for section in re.split(r"^##+ ", PAGE, flags=re.MULTILINE)}
ELIDED = "…"
"""A key that stands for fields which an example leaves out."""

EXTENSION = [operation for operation in OPERATIONS if operation.tag in ("extension", "operations")]


def section_of(operation: Operation) -> str:
    """Return the section whose heading names the operation, whatever its parameters."""
    named = re.compile(rf"`{operation.method} {re.escape(operation.path)}[`?\[]")
    return next((section for heading, section in SECTIONS.items() if named.search(heading)), "")


def structs_in(kind: Any) -> set[type[msgspec.Struct]]:
    """Return the structs that a type consists of."""
    found: set[type[msgspec.Struct]] = set()
    for part in typing.get_args(kind):
        found |= structs_in(part)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        found.add(kind)
        for field in msgspec.structs.fields(kind):
            found |= structs_in(field.type)
    return found


def keys_of(example: Any) -> set[str]:
    """Return the keys of all objects of a JSON example, except those of maps by protocol."""
    if isinstance(example, list):
        return {key for item in example for key in keys_of(item)}
    if not isinstance(example, dict):
        return set()
    nested = {key for name, item in example.items() if name != "connections_by_protocol" for key in keys_of(item)}
    return nested | example.keys() - {ELIDED}


@pytest.mark.parametrize("operation", EXTENSION, ids=lambda operation: operation.operation_id)
def test_every_operation_has_a_section_with_its_parameters(operation: Operation) -> None:
    section = section_of(operation)
    assert section, f"docs/api.md has no heading `{operation.method} {operation.path}`"
    in_query = [parameter.name for parameter in operation.parameters if parameter.where == "query"]
    heading = section.partition("\n")[0]
    assert [name for name in in_query if not re.search(rf"\b{name}\b", heading)] == []


@pytest.mark.parametrize("operation", EXTENSION, ids=lambda operation: operation.operation_id)
def test_examples_have_only_fields_of_the_answer(operation: Operation) -> None:
    fields = {name for kind in structs_in(operation.answer) for name in kind.__struct_encode_fields__}
    for block in re.findall(r"```json\n(.*?)```", section_of(operation), re.DOTALL):
        assert keys_of(json.loads(block)) <= fields


def test_every_field_of_an_answer_is_named() -> None:
    kinds = {kind for operation in OPERATIONS for kind in structs_in(operation.answer) if operation.tag != "agents"}
    missing = {
        kind.__name__: absent
        for kind in kinds
        if (absent := [name for name in kind.__struct_encode_fields__ if not re.search(rf"\b{name}\b", PAGE)])
    }
    assert missing == {}
