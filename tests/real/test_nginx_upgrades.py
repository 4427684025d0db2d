"""Reloads and binary upgrades of a real nginx: what the old worker still serves belongs to the same sessions."""

import asyncio
import signal
from pathlib import Path

import pytest

from streamusage.agent.sources.common.callbacks.spool import CallbackSpool
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpSource
from streamusage.core.addresses import Address
from streamusage.core.clock import SystemClock
from streamusage.core.reasons import OLD_WORKER_SERVES
from tests.support.agent.counting import Counting
from tests.support.real.nginx import Nginx, sum_log
from tests.support.real.processes import Programs, RunningProgram, free_port, until
from tests.support.waiting import PATIENT

pytestmark = pytest.mark.real

AUTO_PUSH = "rtmp_auto_push on; rtmp_socket_dir {};"


class Upgraded:
    """An nginx with a publisher and a viewer, which is reloaded or upgraded while its readings are counted."""

    def __init__(self, nginx: Nginx) -> None:
        self.nginx = nginx
        self.counting = Counting(NginxRtmpSource(nginx.stat_url, nginx.access_log, options=PATIENT))
        self.clients: list[RunningProgram] = []

    async def begin(self) -> None:
        await self.nginx.start()
        await self.counting.begin()
        self.publisher = self.nginx.publish("s1")
        await self.nginx.wait_for_clients(1)
        self.clients = [self.nginx.watch("s1")]
        await self.nginx.wait_for_clients(2)
        await self.counting.step()

    async def read_new_worker(self, old_pid: int) -> None:
        """Count readings until the new worker is the one that is read."""
        await until(lambda: counts_other_than(self.counting, old_pid), "the new worker is read")

    async def watch_new_worker(self) -> None:
        """Start a viewer, whom the new worker gets because the old one accepts no more."""
        before = (await self.counting.step()).viewers
        self.clients.append(self.nginx.watch("s1"))
        await until(lambda: self._sees_more_than(len(before)), "the new worker has the viewer")

    async def _sees_more_than(self, viewers: int) -> bool:
        return len((await self.counting.step()).viewers) > viewers

    async def finish(self, lines: int) -> None:
        """Stop everybody, and count until the log has all lines and no old worker is left."""
        for client in (*self.clients, self.publisher):
            client.stop()
        await until(lambda: sum_log(self.nginx.access_log).lines == lines, "nginx wrote all lines")
        await until(lambda: len(self.nginx.worker_pids()) == 1, "the old worker has ended")
        await self.counting.step()

    def assert_equal_to_log(self) -> None:
        counting, sums = self.counting, sum_log(self.nginx.access_log)
        assert counting.connections == sums.plays
        assert (counting.bytes_in, counting.bytes_out) == (sums.bytes_in, sums.bytes_out)
        # The log rounds down; a page's start may be some milliseconds off.
        assert -0.1 * sums.plays < counting.view_time_ms / 1000 - sums.view_seconds < 1.1 * sums.plays
        (session,) = counting.sessions.values()
        assert (session.name, session.live, session.total) == ("s1", False, sums.plays)
        assert not counting.state.viewers
        assert not counting.state.baseline.publishes


async def serve(tmp_path: Path, programs: Programs, clip: Path, **options: object) -> Upgraded:
    directory = tmp_path / "nginx"
    directory.mkdir()
    upgraded = Upgraded(Nginx(directory, programs, clip, **options))  # type: ignore[arg-type]
    await upgraded.begin()
    return upgraded


def old_worker_of(nginx: Nginx) -> int:
    (pid,) = nginx.worker_pids()
    return pid


@pytest.mark.parametrize("auto_push", [False, True])
async def test_session_goes_on_after_a_reload_with_the_viewers_of_both_workers(
    tmp_path: Path, programs: Programs, clip: Path, auto_push: bool
) -> None:
    directives = AUTO_PUSH.format(tmp_path) if auto_push else ""
    upgraded = await serve(tmp_path, programs, clip, global_directives=directives)
    nginx, counting = upgraded.nginx, upgraded.counting
    old = old_worker_of(nginx)
    nginx.reload()
    await upgraded.read_new_worker(old)
    await upgraded.watch_new_worker()
    (session,) = counting.sessions.values()
    assert (session.live, session.active, session.total) == (True, 2, 2)
    draining = counting.spans[-1]
    assert (draining.state, draining.reason) == ("partial", OLD_WORKER_SERVES)
    reading = await counting.step()
    assert reading.continued_ids == tuple(boot.boot for boot in reading.draining), "workers of one master share ids"
    await upgraded.finish(lines=3)
    upgraded.assert_equal_to_log()
    await counting.step()
    assert counting.spans[-1].state == "counted", "its lines arrived"
    await counting.source.close()


async def test_several_reloads_leave_one_session_and_each_connection_once(
    tmp_path: Path, programs: Programs, clip: Path
) -> None:
    upgraded = await serve(tmp_path, programs, clip)
    nginx = upgraded.nginx
    for workers in (2, 3):
        newest = nginx.worker_pids()[-1]
        await asyncio.sleep(1.1)  # a life is named by the second in which its configuration was loaded
        nginx.reload()
        await until(lambda workers=workers: len(nginx.worker_pids()) == workers, "the new worker has started")
        await upgraded.read_new_worker(newest)
        await upgraded.watch_new_worker()
    (session,) = upgraded.counting.sessions.values()
    assert (session.live, session.active, session.total) == (True, 3, 3)
    await upgraded.finish(lines=4)
    upgraded.assert_equal_to_log()
    await upgraded.counting.source.close()


async def test_binary_upgrade_continues_the_session_and_its_old_master_can_quit_later(
    tmp_path: Path, programs: Programs, clip: Path
) -> None:
    upgraded = await serve(tmp_path, programs, clip, daemon=True)
    nginx, counting = upgraded.nginx, upgraded.counting
    worker = old_worker_of(nginx)
    await asyncio.sleep(3)
    old_master = await nginx.upgrade()
    for _ in range(8):  # both workers respond, and which one is chance
        await counting.step()
        await asyncio.sleep(0.2)
    assert counting.spans[-1].state == "partial"
    (session,) = counting.sessions.values()
    assert session.live
    old_master.send(signal.SIGQUIT)
    await upgraded.read_new_worker(worker)
    await upgraded.watch_new_worker()
    (session,) = counting.sessions.values()
    assert (session.live, session.active, session.total) == (True, 2, 2)
    await upgraded.finish(lines=3)
    await until(lambda: not old_master.running, "the old master has ended")
    await counting.step()
    upgraded.assert_equal_to_log()
    await counting.step()
    assert counting.spans[-1].state == "counted"
    await counting.source.close()


async def test_reloads_before_and_after_an_upgrade_count_each_connection_of_four_workers_once(
    tmp_path: Path, programs: Programs, clip: Path
) -> None:
    """The ids of the new binary begin again, beside two workers of the old one that serve connections with low ids.

    Viewers come long before and after a worker: the start of each then shows which worker it is of.
    """
    upgraded = await serve(tmp_path, programs, clip, daemon=True)
    nginx, counting = upgraded.nginx, upgraded.counting
    worker = old_worker_of(nginx)
    await asyncio.sleep(3)
    nginx.reload()
    await upgraded.read_new_worker(worker)
    await asyncio.sleep(3)
    await upgraded.watch_new_worker()
    worker = nginx.worker_pids()[-1]
    await asyncio.sleep(3)
    old_master = await nginx.upgrade()
    old_master.send(signal.SIGQUIT)
    await upgraded.read_new_worker(worker)
    await asyncio.sleep(3)
    await upgraded.watch_new_worker()
    reading = await counting.step()
    assert len(reading.draining) == 2
    assert all(boot.is_certain for boot in reading.draining)
    assert reading.continued_ids == (), "a new master counts ids from the beginning"
    worker = nginx.worker_pids()[-1]
    await asyncio.sleep(3)
    nginx.reload()
    await upgraded.read_new_worker(worker)
    await asyncio.sleep(3)
    await upgraded.watch_new_worker()
    reading = await counting.step()
    assert len(reading.draining) == 3
    assert reading.continued_ids == (next(boot.boot for boot in reading.draining if boot.boot.endswith(f"-{worker}")),)
    await upgraded.finish(lines=5)
    await until(lambda: not old_master.running, "the old master has ended")
    await counting.step()
    upgraded.assert_equal_to_log()
    await counting.source.close()


async def test_upgrade_that_is_rolled_back_counts_nothing_twice(tmp_path: Path, programs: Programs, clip: Path) -> None:
    upgraded = await serve(tmp_path, programs, clip, daemon=True)
    nginx, counting = upgraded.nginx, upgraded.counting
    worker = old_worker_of(nginx)
    await asyncio.sleep(3)
    old_master = await nginx.upgrade()
    await until(lambda: counts_other_than(counting, worker), "the new worker is read")
    nginx.roll_back(old_master)
    await until(lambda: counts(counting, worker), "the old worker is read again")
    (session,) = counting.sessions.values()
    assert (session.live, session.active) == (True, 1)
    await upgraded.finish(lines=2)
    upgraded.assert_equal_to_log()
    await counting.source.close()


async def counts(counting: Counting, worker: int) -> bool:
    return (await counting.step()).boot.endswith(f"-{worker}")


async def counts_other_than(counting: Counting, worker: int) -> bool:
    return not await counts(counting, worker)


async def test_restart_ends_the_session_at_its_last_reading(tmp_path: Path, programs: Programs, clip: Path) -> None:
    upgraded = await serve(tmp_path, programs, clip)
    nginx, counting = upgraded.nginx, upgraded.counting
    nginx.stop()
    await asyncio.sleep(1.1)
    await nginx.start()
    await counting.step()
    assert counting.live == []
    await counting.step()
    assert counting.spans[-1].state == "counted", "the connections that were cut have no lines to wait for"
    await counting.source.close()


async def test_session_goes_on_after_a_reload_with_callbacks(tmp_path: Path, programs: Programs, clip: Path) -> None:
    port, directory = free_port(), tmp_path / "nginx"
    directory.mkdir()
    nginx = Nginx(directory, programs, clip, notify_url=f"http://127.0.0.1:{port}/nginx")
    await nginx.start()
    spool = CallbackSpool(Address("127.0.0.1", port), tmp_path / "nginx.hooks", SystemClock())
    counting = Counting(NginxRtmpSource(nginx.stat_url, spool=spool, options=PATIENT))
    await counting.begin()
    publisher = nginx.publish("s1")
    await nginx.wait_for_clients(1)
    viewer = nginx.watch("s1")
    await nginx.wait_for_clients(2)
    await counting.step()
    old = old_worker_of(nginx)
    nginx.reload()
    await until(lambda: counts_other_than(counting, old), "the new worker is read")
    (session,) = counting.sessions.values()
    assert (session.live, session.active, counting.spans[-1].reason) == (True, 1, OLD_WORKER_SERVES)
    viewer.stop()
    await until(lambda: spool.path.read_bytes().count(b"play_done&") == 1, "nginx sent the callback of the viewer")
    await counting.step()
    assert counting.live == ["s1"]
    assert not counting.state.viewers
    publisher.stop()
    await until(lambda: spool.path.read_bytes().count(b"publish_done&") == 1, "nginx sent its last callback")
    await counting.step()
    assert (counting.live, len(counting.sessions), counting.connections) == ([], 1, 1)
    await counting.source.close()
