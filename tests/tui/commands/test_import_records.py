"""`streamtop import` of valid and invalid files."""

import json

import pytest

from tests.support.commands.hostile import TOKEN
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Ended, Program


async def import_from_stdin(streamtop: Program, content: str) -> Ended:
    async with PlainManager() as manager:
        ended = await streamtop("import", "-", "--url", manager.url, stdin=content.encode(), **TOKEN)
    assert manager.requests == [], "an invalid file sends nothing"
    return ended


async def test_invalid_records_are_listed_and_nothing_is_sent(streamtop: Program) -> None:
    lacking = wire()
    del lacking["duration"]
    content = [wire(), lacking, wire(""), wire(totalSubscribers=-1), wire(name=5)]
    ended = await import_from_stdin(streamtop, json.dumps(content))
    assert ended.code == 2
    assert "4 invalid records" in ended.err
    for position, field in ((2, "duration"), (3, "name"), (4, "total_subscribers"), (5, "name")):
        assert any(f"record {position}: " in line and field in line for line in ended.err.splitlines())


async def test_error_of_an_invalid_line_contains_its_number(streamtop: Program) -> None:
    ended = await import_from_stdin(streamtop, f"{json.dumps(wire())}\n\n{{oops\n")
    assert ended.code == 2
    assert "line 3: " in ended.err


@pytest.mark.parametrize("content", ['[{"name": "x"', "[1, 2]", "hello", "<html>"])
async def test_input_that_is_no_list_of_records_is_refused(streamtop: Program, content: str) -> None:
    assert (await import_from_stdin(streamtop, content)).code == 2
