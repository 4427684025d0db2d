"""Both clients over real ports: pages, retries, deletes, a plain Stream Manager, threads and running loops."""

import asyncio
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamusage import (
    AsyncClient,
    Client,
    ClosedClientError,
    EmptyNameError,
    ExtensionMissingError,
    InvalidAnswerError,
    InvalidArgumentError,
    NotFoundError,
    RefusedError,
    Reported,
    SessionKey,
    StreamId,
    UnreachableError,
    UsageRecord,
)
from streamusage.client.usage_client import UsageClient
from streamusage.library.operations import Operations
from streamusage.library.retries import RetryPolicy
from tests.streamusage.service.conftest import a_record, an_estate
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.library.service_in_thread import running_in_thread
from tests.support.plain_manager import ManagerOfBothLists, PlainManager, wire
from tests.support.program import REPOSITORY
from tests.support.waiting import LONGEST_WAIT_S

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SERVERS = reply(200, '{"now": 0, "servers": []}')
BUSY = reply(503, '{"errorMessage": "busy", "timestamp": 0}', Retry_After="0")


def client_of(url: str, **options: Any) -> Client:
    return Client(url, token="admin-token", **options)


class TestReads:
    def test_every_read_of_both_clients_returns_the_same(self, url: str) -> None:
        days = (date(2026, 11, 20), date(2026, 11, 20))
        window = (NOON, NOON + timedelta(days=1))
        reads: dict[str, tuple[Any, ...]] = {
            "sessions": (), "records": (), "live_streams": (), "servers": (), "coverage": window, "gaps": window,
            "history": (StreamId("live", "stream1"), *window), "days": days, "sums": days, "adjustments": days,
            "corrections": days, "disagreements": window, "statements": days, "chain": (), "audit": (), "orphans": (),
        }  # fmt: skip

        async def read_all() -> dict[str, list[object]]:
            async with AsyncClient(url, token="admin-token") as client:
                return {name: [row async for row in getattr(client, name)(*given)] for name, given in reads.items()}

        concurrent = asyncio.run(read_all())
        with client_of(url) as client:
            blocking = {name: list(getattr(client, name)(*given)) for name, given in reads.items()}
        assert blocking == concurrent
        assert {name for name, rows in blocking.items() if not rows} == {"disagreements", "orphans"}

    def test_days_of_many_years_take_several_requests(self, url: str) -> None:
        with client_of(url) as client:
            found = [(day.day.isoformat(), day.server) for day in client.days(date(2020, 1, 1), date(2026, 11, 21))]
        assert found == [(day, server) for day in ("2026-11-20", "2026-11-21") for server in ("edge-1", "origin-1")]

    async def test_pages_of_any_size_have_every_row_once(self, url: str) -> None:
        rows = []
        for page_rows in (1, 2, 10_000):
            operations = Operations(UsageClient(url, "admin-token"), RetryPolicy(), page_rows=page_rows)
            sessions = [session.key async for page in operations.sessions() for session in page]
            chain = [row.number async for page in operations.chain(1, None) for row in page]
            rows.append((sessions, chain))
            await operations.close()
        assert rows[0] == rows[1] == rows[2]
        assert len(rows[0][0]) == len(rows[0][1]) == 2

    def test_statement_of_an_open_day_is_refused(self, url: str) -> None:
        with client_of(url) as client, pytest.raises(RefusedError, match="is not over") as raised:
            client.statement(date(2026, 11, 21), date(2026, 11, 21))
        assert raised.value.status == 409

    def test_viewers_token_may_read_but_not_change(self, url: str) -> None:
        with Client(url, token="viewer-token") as client:
            assert list(client.servers())
            with pytest.raises(RefusedError):
                client.delete_stream(StreamId("live", "stream1"))


class TestFailures:
    @pytest.mark.parametrize("failures", [1, 2])
    async def test_read_is_repeated_until_the_service_answers(self, failures: int) -> None:
        answers = [*[BUSY] * failures, SERVERS]
        async with CannedServer(lambda _: answers.pop(0)) as server, AsyncClient(server.url, token="t") as client:
            assert [row async for row in client.servers()] == []
        assert len(server.requests) == failures + 1

    async def test_read_fails_after_its_retries(self) -> None:
        async with CannedServer(lambda _: BUSY) as server, AsyncClient(server.url, token="t", retries=3) as client:
            with pytest.raises(UnreachableError, match="busy"):
                await client.changes()
        assert len(server.requests) == 4

    async def test_nothing_that_changes_something_is_repeated(self) -> None:
        def respond(request: ReceivedRequest) -> bytes:
            return BUSY if request.method != "GET" else SERVERS

        async with CannedServer(respond) as server, AsyncClient(server.url, token="t", retries=5) as client:
            changes = [
                client.delete_session(SessionKey("live", "a", 5)), client.delete_stream(StreamId("live", "a")),
                client.delete_all(confirm_host=client.host), client.import_records([]),
                client.close_day(date(2026, 11, 20)), client.propose_correction(date(2026, 11, 20), "UTC", "a", "b"),
                client.approve_correction(1), client.reverse_correction(1, "b"), client.remove_server("a"),
                client.repair_server("a"),
            ]  # fmt: skip
            for change in changes:
                with pytest.raises(UnreachableError):
                    await change
        assert len([request for request in server.requests if request.method != "GET"]) == len(changes)

    async def test_service_that_repeats_a_cursor_is_an_error_not_an_endless_loop(self) -> None:
        page = reply(200, '{"now": 0, "cursor": "c", "more": true, "records": []}')

        def respond(request: ReceivedRequest) -> bytes:
            return SERVERS if request.path.endswith("/servers") else page

        async with CannedServer(respond) as server, AsyncClient(server.url, token="t") as client:
            with pytest.raises(InvalidAnswerError, match="without a new cursor"):
                _ = [session async for session in client.sessions()]

    async def test_no_error_contains_the_token(self) -> None:
        answer = reply(403, '{"errorMessage": "s3cret-t0ken is wrong", "timestamp": 0}')
        async with CannedServer(lambda _: answer) as server, AsyncClient(server.url, token="s3cret-t0ken") as client:
            with pytest.raises(RefusedError) as raised:
                await client.changes()
        assert "s3cret" not in str(raised.value) + repr(raised.value) + repr(client)
        assert raised.value.status == 403

    def test_closed_client_sends_nothing(self, url: str) -> None:
        client = client_of(url)
        assert client.has_extension()
        client.close()
        client.close()
        with pytest.raises(ClosedClientError):
            list(client.servers())

    async def test_closed_async_client_sends_nothing(self, url: str) -> None:
        async with AsyncClient(url, token="admin-token") as client:
            assert await client.has_extension()
        with pytest.raises(ClosedClientError):
            await client.changes()


class TestDeletes:
    @pytest.mark.parametrize(
        "key",
        [("", "a", 5), ("live", "", 5), ("live", "a", 0), ("live", "a", None), (None, "a", 5), ("live//b", "a", 5)],
    )
    async def test_session_with_an_empty_part_cannot_be_sent(self, key: Any) -> None:
        async with PlainManager(wire()) as manager, AsyncClient(manager.url, token="xyz123") as client:
            with pytest.raises(EmptyNameError):
                await client.delete_session(SessionKey(*key))
        assert manager.requests == []

    @pytest.mark.parametrize("stream", [("", "a"), ("live", ""), (None, "a"), ("live", None)])
    async def test_stream_with_an_empty_part_cannot_be_sent(self, stream: Any) -> None:
        async with PlainManager(wire()) as manager, AsyncClient(manager.url, token="xyz123") as client:
            with pytest.raises(EmptyNameError):
                await client.delete_stream(StreamId(*stream))
        assert manager.requests == []

    @pytest.mark.parametrize("host", ["", "yes", "127.0.0.1"])
    async def test_everything_is_deleted_only_if_the_host_is_named(self, host: str) -> None:
        async with PlainManager(wire()) as manager, AsyncClient(manager.url, token="xyz123") as client:
            with pytest.raises(InvalidArgumentError, match="confirm it with that host"):
                await client.delete_all(confirm_host=host)
            assert manager.requests == []
            await client.delete_all(confirm_host=client.host)
        assert manager.records == []

    def test_service_deletes_a_session_a_stream_and_everything(self, tmp_path: Path) -> None:
        with running_in_thread(lambda: an_estate(tmp_path)) as url, client_of(url) as client:
            records = [client_record(name, start) for name, start in (("a", 1), ("a", 2), ("b", 3), ("c", 4))]
            assert client.import_records(records).imported == 4
            assert client.delete_session(SessionKey("live", "a", 1)).total_subscribers == Reported(4)
            with pytest.raises(NotFoundError):
                client.delete_session(SessionKey("live", "a", 1))
            client.delete_stream(StreamId("live", "b"))
            assert sorted(record.name for record in client.records()) == ["a", "c"]
            assert [record.name for record in client.records(StreamId("live", "c"))] == ["c"]
            client.delete_all(confirm_host=client.host)
            assert list(client.records()) == []
            done = {entry.operation for entry in client.audit()}
        assert done == {"import", "delete session", "delete stream", "delete all"}


class TestPlainStreamManager:
    async def test_documented_operations_work_and_the_others_say_why_not(self) -> None:
        manager = ManagerOfBothLists(wire(), wire("b", start=7))
        async with manager, AsyncClient(manager.url, token="xyz123", api_version="4.0") as client:
            sessions = [session async for session in client.sessions()]
            assert [session.stream.name for session in sessions] == ["keynote", "b"]
            assert sessions[0].total_subscribers == Reported(4)
            assert not await client.has_extension()
            assert [record.name async for record in client.records(StreamId("live", "b"))] == ["b"]
            assert [row async for row in client.live_streams()] == []
            assert (await client.delete_session(sessions[0].key)).stream.name == "keynote"
            with pytest.raises(ExtensionMissingError, match="plain Stream Manager"):
                _ = [day async for day in client.days(date(2026, 11, 20), date(2026, 11, 20))]


class TestThreads:
    def test_one_client_serves_several_threads(self, url: str) -> None:
        with client_of(url) as client, ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: len(list(client.servers())), range(32)))
        assert answers == [2] * 32

    async def test_client_works_while_a_loop_runs_in_its_thread(self, url: str) -> None:
        with client_of(url) as client:
            assert len(list(client.servers())) == 2

    async def test_interrupt_abandons_the_request_and_ends_the_program(self) -> None:
        has_arrived = asyncio.Event()

        async def never_answer(_: ReceivedRequest) -> bytes:
            has_arrived.set()
            await asyncio.Event().wait()
            return b""

        async with CannedServer(never_answer) as server:
            code = (
                "from streamusage import Client\n"
                f"with Client({server.url!r}, token='t', timeout_seconds=3600) as client: list(client.servers())"
            )
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", code),
                cwd=REPOSITORY,
                stderr=asyncio.subprocess.PIPE,
                # The workers of the test runner ignore SIGINT, and their child processes inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
            await asyncio.wait_for(has_arrived.wait(), LONGEST_WAIT_S)
            process.send_signal(signal.SIGINT)
            _, errors = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
        assert b"KeyboardInterrupt" in errors

    def test_program_that_does_not_close_its_client_ends(self, url: str) -> None:
        code = f"from streamusage import Client; print(len(list(Client({url!r}, token='admin-token').servers())))"
        other = f"from streamusage import Client; c = Client({url!r}, token='admin-token'); print(c.has_extension())"
        for program in (code, other):
            done = subprocess.run(
                [sys.executable, "-c", program],
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                timeout=LONGEST_WAIT_S,
                check=False,
            )
            assert (done.returncode, done.stdout.strip() in ("2", "True"), done.stderr) == (0, True, "")

    def test_iteration_may_end_early(self, url: str) -> None:
        with client_of(url) as client:
            assert next(client.sessions()).stream.name == "stream1"


def client_record(name: str, start: int) -> Any:

    return msgspec.convert(a_record(name, start_time=start), UsageRecord)
