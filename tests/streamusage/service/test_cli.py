"""The serve command as a process: ready line, errors, log lines, and the store after a SIGKILL."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import msgspec
import pytest

from streamusage.api.report import Based, Baseline, PeakWindow, Report, SlotRow, SpanRow
from streamusage.service.store.engines.sqlite import connect_to_file, sqlite_url
from tests.streamusage.service.conftest import A_DAY_AGO, USAGE, a_record, day_of_a_day_ago
from tests.support.service.serve_command import ADMIN, AGENT, serving
from tests.support.waiting import LONGEST_WAIT_S, wait_until


def run(*options: str, home: Path) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"XDG_DATA_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "streamusage.service", *options],
        capture_output=True, text=True, timeout=LONGEST_WAIT_S, check=False, env=environment,
    )  # fmt: skip


def test_connections_beyond_the_file_limit_are_refused_and_open_ones_answered(tmp_path: Path) -> None:
    with serving(tmp_path, files=200) as (_, url, lines), ExitStack() as stack:
        port = int(url.rpartition(":")[2])
        first = stack.enter_context(socket.create_connection(("127.0.0.1", port), LONGEST_WAIT_S))
        for _ in range(2):
            first.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                received = first.recv(1000)
                assert received, "an idle connection is kept while others never sent a request"
                answer += received
            assert b" 200 " in answer
            others = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), LONGEST_WAIT_S)) for _ in range(150)
            ]
        assert b" 503 " in others[0].recv(1000) + others[-1].recv(1000)
        assert "out of system resource" not in "".join(lines)


def test_sigterm_ends_the_service_cleanly(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, url, lines):
        assert httpx.get(f"{url}/healthz", timeout=LONGEST_WAIT_S).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONGEST_WAIT_S) == 0
    assert "stopped" in lines[-1]


async def test_stop_answers_accepted_requests_before_it_ends(tmp_path: Path) -> None:
    """At SIGTERM the store is locked, a report and an import wait for it, and one connection is idle."""
    with serving(tmp_path) as (process, url, _lines):
        agent = _Agent()
        as_agent, as_admin = ({"Authorization": f"Bearer {token}"} for token in (AGENT, ADMIN))
        async with httpx.AsyncClient(base_url=url, timeout=LONGEST_WAIT_S) as http:
            base = "/api/v1/agents/edge-1"
            issued = (await http.post(f"{base}/epochs", content=b'{"journal": "j1"}', headers=as_agent)).json()
            agent.epoch, agent.based_on, agent.counted = issued["epoch"], Based(**issued["based_on"]), 1
            with closing(connect_to_file(tmp_path / "usage.db")) as other:
                other.execute("BEGIN IMMEDIATE")
                report = asyncio.create_task(http.post(f"{base}/reports", content=agent._report(), headers=as_agent))
                taken = asyncio.create_task(http.post("/api/v1/import", json=[a_record()], headers=as_admin))
                await _wait_for_open_requests(http, 3)  # both, and the request for the metrics
                process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.5)
                assert (report.done(), taken.done(), process.poll()) == (False, False, None)
                other.execute("ROLLBACK")
            assert (await report).json()["acknowledged"] == 1
            assert (await taken).json()["imported"] == 1
            assert await asyncio.to_thread(process.wait, LONGEST_WAIT_S) == 0
            with pytest.raises(httpx.TransportError):
                await http.get("/healthz")


async def _wait_for_open_requests(http: httpx.AsyncClient, count: int) -> None:
    """Wait until the service has `count` open requests."""
    async with asyncio.timeout(LONGEST_WAIT_S):
        while True:
            metrics = await http.get("/metrics", headers={"Authorization": f"Bearer {ADMIN}"})
            if f"streamtop_requests_open {count}.0\n" in metrics.text:
                return
            await asyncio.sleep(0.02)


def test_no_output_line_contains_a_token(tmp_path: Path) -> None:
    with serving(tmp_path, "--access-log") as (process, url, lines):
        for query in (f"accessToken={ADMIN}", f"accessToken={ADMIN}?accessToken={ADMIN}", "accessToken=wr0ng-s3cret"):
            httpx.get(f"{url}{USAGE}?{query}", timeout=LONGEST_WAIT_S)
            httpx.get(f"{url}{USAGE}%3F{query}", timeout=LONGEST_WAIT_S)
            httpx.get(f"{url}/nothing/accessToken={ADMIN}", timeout=LONGEST_WAIT_S)
            httpx.get(f"{url}{USAGE}%3faccessToken%3d{ADMIN}", timeout=LONGEST_WAIT_S)
        httpx.get(f"{url}/api/v1/servers", headers={"Authorization": f"Bearer {ADMIN}"}, timeout=LONGEST_WAIT_S)
        httpx.post(
            f"{url}/api/v1/agents/edge-1/reports",
            headers={"Authorization": f"Bearer {AGENT}"},
            content=b"{",
            timeout=LONGEST_WAIT_S,
        )
        process.send_signal(signal.SIGTERM)
        process.wait(LONGEST_WAIT_S)
    written = "".join(lines)
    assert written.count("GET ") == 14, "13 requests, and the path of the first login that failed"
    assert "s3cret" not in written


def test_each_event_is_one_line_of_the_chosen_format(tmp_path: Path) -> None:
    with serving(tmp_path, "--access-log", "--log-format", "json") as (process, url, lines):
        httpx.get(f"{url}/nothing%0d%0aforged%1b[2J", timeout=LONGEST_WAIT_S)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.wait(LONGEST_WAIT_S)
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(events) == len(lines) - 2, "all but the lines of start and end"
    assert {(event["level"], event["message"].split()[0]) for event in events} >= {
        ("info", "GET"),
        ("info", "reloaded"),
    }
    assert all(event["at"].endswith("Z") for event in events)
    assert "".join(lines).replace("\n", "").isprintable()


def test_startup_errors_name_their_cause_and_use_the_exit_codes(tmp_path: Path) -> None:
    tokens = tmp_path / "wrong.toml"
    tokens.write_text(f"[[token]]\nvalue = '{ADMIN}'\nrole = 'king'\n")
    wrong = run("--tokens", str(tokens), home=tmp_path)
    assert (wrong.returncode, "entry 1, role" in wrong.stderr, ADMIN in wrong.stderr) == (2, True, False)
    assert run("--listen", "nowhere", home=tmp_path).returncode == 2
    longer = run("--minute-statistics-days", "91", "--hour-statistics-days", "90", home=tmp_path)
    assert (longer.returncode, "must not be longer than --hour" in longer.stderr) == (2, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("--listen", f"127.0.0.1:{port}", home=tmp_path)
    assert refused.returncode == 3
    assert f"127.0.0.1:{port}" in refused.stderr
    assert "in use" in refused.stderr
    (tmp_path / "file").write_text("")
    unusable = run("--listen", "127.0.0.1:0", "--store", sqlite_url(tmp_path / "file" / "x.db"), home=tmp_path)
    assert unusable.returncode == 3
    assert "cannot create the store's directory" in unusable.stderr
    assert "Traceback" not in wrong.stderr + refused.stderr + unusable.stderr


async def test_start_warns_of_secrets_and_figures_that_other_users_can_read(tmp_path: Path) -> None:
    with serving(tmp_path):
        pass
    (tmp_path / "usage.db").chmod(0o644)
    with serving(tmp_path) as (_, _, lines):
        for name in ("tokens.toml", "usage.db"):
            await wait_until(
                lambda name=name: any(f"chmod 600 {tmp_path / name}" in line for line in lines),  # type: ignore[misc]
                f"the warning of {name}",
                last_seen=lambda: lines,
            )


def test_without_tokens_file_one_token_is_created_and_its_path_printed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        first = run("--listen", address, home=tmp_path)
        again = run("--listen", address, home=tmp_path)
    path = tmp_path / "streamtop" / "admin-token"
    assert str(path) in first.stderr
    assert path.read_text().strip() not in first.stderr
    assert str(path) not in again.stderr


def test_second_service_on_the_port_does_not_touch_the_first_store(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, url, _lines):
        httpx.post(
            f"{url}/api/v1/import",
            headers={"Authorization": f"Bearer {ADMIN}"},
            json=[a_record()],
            timeout=LONGEST_WAIT_S,
        )
        run("--listen", url.removeprefix("http://"), "--store", sqlite_url(tmp_path / "usage.db"), home=tmp_path)
        assert httpx.get(f"{url}{USAGE}?accessToken={ADMIN}", timeout=LONGEST_WAIT_S).json() == [a_record()]


async def test_sigkill_under_load_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """An agent reports and an operator deletes as fast as they can while the service is killed again and again."""
    agent = _Agent()
    imported: set[str] = set()
    delete_requested: set[str] = set()
    deleted: set[str] = set()
    for _ in range(6):
        with serving(tmp_path) as (process, url, _lines):
            load = [agent.report_until_it_dies(url), _import_until_it_dies(url, imported, delete_requested, deleted)]
            running = asyncio.gather(*load)
            enough = agent.counted_acknowledged + 10, len(imported) + 10
            async with asyncio.timeout(LONGEST_WAIT_S):
                while agent.counted_acknowledged < enough[0] or len(imported) < enough[1]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            process.kill()
            await running
    with serving(tmp_path) as (_, url, _lines):
        async with httpx.AsyncClient(base_url=url, timeout=LONGEST_WAIT_S) as http:
            path = f"/api/v1/daily?from={day_of_a_day_ago()}&to={day_of_a_day_ago()}"
            day = await http.get(path, headers={"Authorization": f"Bearer {ADMIN}"})
            names = {record["name"] for record in (await http.get(f"{USAGE}?accessToken={ADMIN}")).json()}
            # The reply to the last report may be lost: then it counts once without an acknowledgement.
            assert day.json()["days"][0]["bytes_in"] in {agent.counted_acknowledged, agent.counted}
            assert imported - delete_requested <= names, "an acknowledged import is missing"
            assert not names & deleted, "an acknowledged delete was undone"
            assert agent.counted_acknowledged > 20
            assert len(imported) > 20


class _Agent:
    """Reports one more byte in a slot each time, and repeats an unacknowledged report."""

    def __init__(self) -> None:
        self.epoch = 0
        self.acknowledged = 0
        self.counted = 0
        self.counted_acknowledged = 0
        self.based_on: Based | None = None

    async def report_until_it_dies(self, url: str) -> None:
        headers = {"Authorization": f"Bearer {AGENT}"}
        try:
            async with httpx.AsyncClient(
                base_url=f"{url}/api/v1/agents/edge-1", headers=headers, timeout=LONGEST_WAIT_S
            ) as http:
                if not self.epoch:
                    issued = (await http.post("/epochs", content=b'{"journal": "j1"}')).json()
                    self.epoch, self.based_on = issued["epoch"], Based(**issued["based_on"])
                while True:
                    if self.counted == self.counted_acknowledged:
                        self.counted += 1
                    answer = await http.post("/reports", content=self._report())
                    assert answer.status_code == 200, answer.text
                    self.acknowledged = answer.json()["acknowledged"]
                    self.counted_acknowledged = self.counted
                    self.based_on = None
        except httpx.TransportError:
            pass

    def _report(self) -> bytes:
        upto = A_DAY_AGO + self.counted
        return msgspec.json.encode(
            Report(
                server="edge-1", role="standalone", life="j1.1", epoch=self.epoch, since=self.acknowledged,
                upto=self.counted, sent_at=time.time_ns() // 1_000_000, sync_interval_ms=10_000,
                baseline=Baseline(
                    at=upto, boot="b", started_at=A_DAY_AGO, since=A_DAY_AGO, bytes_in=0,
                    bytes_out=0, window=PeakWindow(upto, 0, 0),
                ),
                based_on=self.based_on,
                slots=(SlotRow(slot=A_DAY_AGO, revision=self.counted, bytes_in=self.counted),),
                spans=(SpanRow(from_ms=upto - 1, to_ms=upto, revision=self.counted, state="counted"),),
            )
        )  # fmt: skip


async def _import_until_it_dies(url: str, imported: set[str], delete_requested: set[str], deleted: set[str]) -> None:
    headers = {"Authorization": f"Bearer {ADMIN}"}
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=LONGEST_WAIT_S) as http:
            while True:
                name = f"s{len(imported)}"
                answer = await http.post("/api/v1/import", json=[a_record(name)])
                assert answer.status_code == 200
                imported.add(name)
                if len(imported) % 3 == 0:
                    delete_requested.add(name)
                    answer = await http.delete(f"{USAGE}/live/{name}?accessToken={ADMIN}")
                    if answer.status_code in {200, 404}:
                        deleted.add(name)
    except httpx.TransportError:
        pass


@pytest.mark.parametrize("module", ["streamusage.service", "streamusage.service.cli"])
def test_service_does_not_import_textual(module: str) -> None:
    code = f"import sys, {module}, streamusage.service.server; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=LONGEST_WAIT_S).returncode == 0


def test_command_is_cheap_to_import() -> None:
    heavy = "{'starlette', 'sqlalchemy', 'httptools', 'pydantic'}"
    code = f"import sys, streamusage.service.cli; sys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=LONGEST_WAIT_S).returncode == 0


def test_package_docstring_names_every_module_and_folder() -> None:
    import streamusage.service

    folder = Path(streamusage.service.__file__).parent
    modules = {
        path.stem for path in folder.iterdir() if path.stem.strip("_") == path.stem and path.name != "__pycache__"
    }
    documented = set(re.findall(r"`(\w+)`", streamusage.service.__doc__ or ""))
    assert documented == modules
