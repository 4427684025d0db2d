"""The table of operations is complete, and both routes and `/openapi.json` follow it."""

import re

import msgspec
import pytest

from streamusage.core.usage import RECORD_FIELDS, UsageRecord
from streamusage.service.http import openapi, operations
from streamusage.service.http.operations import OPERATIONS, Access, Operation
from tests.streamusage.service.conftest import Estate


def declared() -> set[Operation]:
    """Return every operation that the module declares."""
    found: set[Operation] = set()
    for value in vars(operations).values():
        if isinstance(value, Operation):
            found.add(value)
        elif isinstance(value, tuple):
            found |= {item for item in value if isinstance(item, Operation)}
    return found


def test_table_lists_every_declared_operation_once() -> None:
    assert {*OPERATIONS} == declared()
    for identity in (lambda operation: (operation.method, operation.path), lambda operation: operation.operation_id):
        assert len({identity(operation) for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)
def test_openapi_describes_the_operation(operation: Operation) -> None:
    described = openapi.build_document("0")["paths"][operation.path][operation.method.lower()]
    in_path = [parameter.name for parameter in operation.parameters if parameter.where == "path"]
    assert in_path == re.findall(r"{(\w+)}", operation.path)
    assert [parameter["name"] for parameter in described["parameters"]] == [p.name for p in operation.parameters]
    assert bool(described["security"]) == (operation.access is not Access.ANYONE)
    assert ("requestBody" in described) == (operation.body is not None)
    if operation.answer is not None:
        msgspec.convert(operation.example, operation.answer)
    if operation.body is not None:
        msgspec.convert(operation.body_example, operation.body)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)
async def test_route_exists_and_requires_its_token(estate: Estate, operation: Operation) -> None:
    path = operation.path.replace("{scope}", "live").replace("{name}", "a").replace("{server}", "edge-1")
    answer = await estate.request(operation.method, path, None)
    if operation.access is Access.ANYONE:
        assert answer.status_code == 200
    else:
        documented = operation.access in (Access.DOCUMENTED_READER, Access.DOCUMENTED_ADMIN)
        assert answer.status_code == (400 if documented else 401)
        assert "wrong or missing" in answer.json()["errorMessage"]


def test_record_fields_are_in_wire_order() -> None:
    record = UsageRecord("a", "live", 1, 2, 3, 4, 5, 6, 7, 8)
    encoded = msgspec.json.decode(msgspec.json.encode(record))
    assert list(encoded) == list(RECORD_FIELDS)
    assert [getattr(record, name) for name in RECORD_FIELDS.values()] == list(encoded.values())
