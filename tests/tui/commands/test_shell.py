"""Exit codes and errors that all client commands share."""

import json

import pytest

from tests.support.canned_answers import CannedServer, reply
from tests.support.commands.hostile import TOKEN
from tests.support.commands.service_process import ServiceProcess
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program


async def test_unreachable_service_exits_with_3(streamtop: Program) -> None:
    ended = await streamtop("ls", "--url", "http://127.0.0.1:9")
    assert ended.code == 3
    assert ended.out == ""
    assert "127.0.0.1:9" in ended.err


async def test_wrong_token_is_refused_and_not_printed(streamtop: Program) -> None:
    async with PlainManager(wire()) as manager:
        ended = await streamtop("ls", "--url", manager.url, STREAMTOP_TOKEN="wrong-secret")
    assert ended.code == 4
    assert "invalid access token" in ended.err
    assert "wrong-secret" not in ended.err


async def test_missing_token_error_names_the_options(streamtop: Program) -> None:
    async with PlainManager(wire()) as manager:
        ended = await streamtop("ls", "--url", manager.url)
    assert ended.code == 4
    assert "--token-file" in ended.err


@pytest.mark.parametrize("body", ["<!doctype html><p>hello", '[{"name": ', "{}", ""])
async def test_response_of_another_server_exits_with_3(streamtop: Program, body: str) -> None:
    async with CannedServer(lambda request: reply(200, body)) as server:
        ended = await streamtop("ls", "--url", server.url)
    assert (ended.code, ended.out) == (3, "")
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("gaps",),
        ("daily",),
        ("daily", "--from", "2026-11-01", "--to", "2026-11-02"),
        ("import", "-"),
    ],
)
async def test_extension_commands_are_refused_for_a_plain_manager(
    streamtop: Program, arguments: tuple[str, ...]
) -> None:
    async with PlainManager(wire()) as manager:
        ended = await streamtop(*arguments, "--url", manager.url, stdin=json.dumps([wire()]).encode(), **TOKEN)
    assert (ended.code, ended.out) == (4, "")
    assert "documented usage API only" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("ls", "--url", "ftp://host"),
        ("ls", "--url", "localhost:5080"),
        ("ls", "--url", "http://user:secret@host"),
        ("ls", "--url", "http://host/?accessToken=secret"),
        ("ls", "--tz", "Nowhere/Town"),
        ("ls", "--format", "yaml"),
        ("ls", "--profile", "nope"),
        ("ls", "--token-file", "no/such/file"),
        ("gaps", "--from", "yesterday"),
        ("demo", "--record", "outage.tape", "--tour"),
        ("daily", "--from", "2026-13-01"),
        ("daily", "--from", "2026-11-02", "--to", "2026-11-01"),
        ("daily", "--from", "2020-01-01", "--to", "2026-11-01"),
        ("no-such-command",),
        ("--profile", "x", "ls"),
    ],
)
async def test_invalid_arguments_exit_with_2(streamtop: Program, arguments: tuple[str, ...]) -> None:
    ended = await streamtop(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "secret" not in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["ls", "gaps", "daily"])
async def test_wrong_token_is_refused_by_a_real_service(service: ServiceProcess, command: str) -> None:
    ended = await service(command, token="wrong-secret")
    assert (ended.code, ended.out) == (4, ""), ended.err
    assert "wrong-secret" not in ended.err
