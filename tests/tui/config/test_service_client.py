"""The client of the settings: a token file that is replaced, and a service of this machine that starts later."""

import os
from pathlib import Path

import pytest

from streamusage.client.errors import RefusedError
from streamusage.core.local_service import TOKEN_FILE, note_address
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.plain_manager import PlainManager, wire
from tui.config.hidden_token import HiddenToken
from tui.config.service_client import open_client
from tui.config.settings import ConnectionSettings


async def test_token_file_is_read_again_for_each_request(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("new")
    async with PlainManager(wire(), token="new") as server:
        settings = ConnectionSettings(url=server.url, token=HiddenToken("old"), token_file=file)
        async with open_client(settings) as client:
            assert len(await client.usage()) == 1
            server.token = "newer"
            with pytest.raises(RefusedError):
                await client.usage()
            file.write_text("newer\n")
            assert len(await client.usage()) == 1


@pytest.mark.parametrize("content", [None, "", "two words"])
async def test_last_token_is_kept_while_its_file_cannot_be_used(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    async with PlainManager(wire(), token="known") as server:
        settings = ConnectionSettings(url=server.url, token=HiddenToken("known"), token_file=file)
        async with open_client(settings) as client:
            assert len(await client.usage()) == 1


async def test_token_of_a_pipe_is_read_once(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")  # as `--token-file <(…)`; to open it again would wait for ever
    async with PlainManager(wire(), token="known") as server:
        settings = ConnectionSettings(url=server.url, token=HiddenToken("known"), token_file=pipe)
        async with open_client(settings) as client:
            assert len(await client.usage()) == 1


async def test_token_of_an_own_service_that_starts_later_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "streamtop"
    folder.mkdir()
    async with PlainManager(wire(), token="own") as server, open_client(ConnectionSettings(url=server.url)) as client:
        with pytest.raises(RefusedError):
            await client.usage()
        (folder / TOKEN_FILE).write_text("own")
        with note_address(server.url, folder):
            assert len(await client.usage()) == 1


async def test_request_that_was_on_its_way_while_the_token_changed_is_sent_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")

    def respond(request: ReceivedRequest) -> bytes:
        if "accessToken=second" in request.target:
            return reply(200, "[]")
        file.write_text("second")
        return reply(401, '{"errorMessage": "unknown token", "timestamp": 1}')

    async with CannedServer(respond) as server:
        settings = ConnectionSettings(url=server.url, token=HiddenToken("first"), token_file=file)
        async with open_client(settings) as client:
            assert await client.usage() == []
        assert len(server.requests) == 2
        server.respond = lambda _: reply(401, '{"errorMessage": "unknown token second", "timestamp": 1}')
        async with open_client(settings) as client:
            with pytest.raises(RefusedError, match="unknown token •••"):
                await client.usage()
        assert len(server.requests) == 3, "the same token is not tried twice"
