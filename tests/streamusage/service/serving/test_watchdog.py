"""The service as a service manager sees it: ready, reloading, stopping, and hung where its writer hangs."""

import asyncio
import signal
import threading
from pathlib import Path

import pytest

from streamusage.core.service_manager import ServiceManager
from streamusage.service.serving.watchdog import keep_watchdog
from streamusage.service.store.engines.sqlite import sqlite_url
from tests.streamusage.service.conftest import an_estate
from tests.support.manager_socket import manager_socket
from tests.support.service.migrating.earlier_schema import writing_at
from tests.support.service.serve_command import serving
from tests.support.waiting import wait_until_blocking


def test_states_of_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with manager_socket(tmp_path, watchdog_seconds=1) as manager:
        for name, value in manager.environment.items():
            monkeypatch.setenv(name, value)
        with serving(tmp_path) as (process, url, lines):
            assert "opening the store" in manager.receive()["STATUS"]
            assert manager.receive()["STATUS"].startswith(f"listening at {url}, store sqlite:///")
            assert manager.receive_until("WATCHDOG")
            process.send_signal(signal.SIGHUP)
            assert manager.receive_until("RELOADING")["MONOTONIC_USEC"].isdecimal()
            assert manager.receive_until("READY")["STATUS"].startswith(f"listening at {url}")
            (tmp_path / "tokens.toml").write_text("invalid")
            process.send_signal(signal.SIGHUP)
            manager.receive_until("RELOADING")
            manager.receive_until("READY")
            process.send_signal(signal.SIGTERM)
            manager.receive_until("STOPPING")
            process.wait()
            assert process.returncode == 0, lines


def test_start_that_migrates_reports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with writing_at(sqlite_url(tmp_path / "usage.db"), "0012_source_errors"):
        pass
    with manager_socket(tmp_path) as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.environment["NOTIFY_SOCKET"])
        with serving(tmp_path) as (_process, _url, lines):
            extended = manager.receive_until("EXTEND_TIMEOUT_USEC")
    assert int(extended["EXTEND_TIMEOUT_USEC"]) >= 60_000_000
    assert "migrating the store from 0012_source_errors" in extended["STATUS"]
    assert any(f"INFO {extended['STATUS']}" in line for line in lines), lines
    assert any("migrated the store to" in line for line in lines), lines


def test_reload_names_tokens_that_only_a_restart_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with serving(tmp_path) as (process, _url, lines):
        process.send_signal(signal.SIGHUP)
        wait_until_blocking(lambda: "restart the service after a change" in "".join(lines), "the reload is logged")


async def test_writer_that_hangs_is_noticed(tmp_path: Path) -> None:
    async with an_estate(tmp_path) as estate:
        service = estate.running.service
        with manager_socket(tmp_path, watchdog_seconds=0.03) as manager:
            watching = asyncio.create_task(keep_watchdog(ServiceManager.from_environment(manager.environment), service))
            await asyncio.to_thread(manager.receive_until, "WATCHDOG")
            hangs, may_end = threading.Event(), threading.Event()
            hanging = asyncio.create_task(service.write(lambda _connection: (hangs.set(), may_end.wait())))
            await asyncio.to_thread(hangs.wait)
            await asyncio.sleep(0)  # a result that was on its way is delivered
            manager.drain()
            await asyncio.sleep(0.3)
            silent = manager.drain()
            may_end.set()
            await hanging
            assert len(silent) <= 1
            assert await asyncio.to_thread(manager.receive_until, "WATCHDOG")
            watching.cancel()


async def test_store_that_cannot_be_written_is_no_hang(tmp_path: Path) -> None:
    async with an_estate(tmp_path) as estate:
        (tmp_path / "usage.db").rename(tmp_path / "elsewhere")
        with manager_socket(tmp_path, watchdog_seconds=0.03) as manager:
            watching = asyncio.create_task(
                keep_watchdog(ServiceManager.from_environment(manager.environment), estate.running.service)
            )
            assert await asyncio.to_thread(manager.receive_until, "WATCHDOG")
            watching.cancel()
        (tmp_path / "elsewhere").rename(tmp_path / "usage.db")


async def test_without_a_watchdog_it_returns(tmp_path: Path) -> None:
    async with an_estate(tmp_path) as estate:
        await keep_watchdog(ServiceManager(), estate.running.service)
