"""The statistics page over HTTP: lives of a worker, reloads, several workers."""

from collections.abc import AsyncIterator

import pytest

from streamusage.agent.reading import SourceError
from streamusage.agent.sources.nginx_rtmp import page_reader
from streamusage.agent.sources.nginx_rtmp.page_reader import StatPageReader, WorkerBoot
from tests.support.agent.http_answers import Answers
from tests.support.agent.manual_clock import HandClock
from tests.support.agent.nginx_page import BEGAN_S, IDLE_PAGE, NOW_MS, PAGE, page_response
from tests.support.waiting import PATIENT


def create_reader(server: Answers) -> StatPageReader:
    return StatPageReader(server.url + "/stat", HandClock(NOW_MS), None, options=PATIENT)


@pytest.fixture
async def reader(server: Answers) -> AsyncIterator[StatPageReader]:
    opened = create_reader(server)
    yield opened
    await opened.close()


async def test_boot_keeps_its_name_while_uptime_and_clock_advance(server: Answers, reader: StatPageReader) -> None:
    server.next += [page_response(uptime_s=uptime_s) for uptime_s in (0, 1, 59, 60, 86_400, -3600)]
    assert {str((await reader.read_page(None)).boot) for _ in range(2)} == {f"{BEGAN_S}-10427"}


async def test_date_shifted_by_a_proxy_is_the_same_boot(server: Answers, reader: StatPageReader) -> None:
    server.next = [page_response()]
    first = await reader.read_page(None)
    server.next = [page_response(uptime_s=40, date_shift_s=1)]
    assert (await reader.read_page(first.boot)).boot == first.boot
    reader_after_restart = create_reader(server)
    assert (await reader_after_restart.read_page(first.boot)).boot == first.boot
    await reader_after_restart.close()


async def test_dates_that_vary_from_the_first_response_on_are_one_boot(server: Answers, reader: StatPageReader) -> None:
    server.next = [page_response(), page_response(date_shift_s=1)] * 30 + [page_response()]
    assert str((await reader.read_page(None)).boot) == f"{BEGAN_S}-10427"
    assert len(server.requests) == page_reader.SETTLED_RESPONSES


@pytest.mark.parametrize(
    "later",
    [
        page_response(pid=99, uptime_s=0, began_s=BEGAN_S + 60),
        page_response(pid=10427, uptime_s=0, began_s=BEGAN_S + 60, page=IDLE_PAGE),
        page_response(pid=99, uptime_s=60),
        page_response(pid=10427, uptime_s=0, began_s=BEGAN_S - 60, page=IDLE_PAGE),
    ],
    ids=["reload", "restart with the same pid", "worker crash", "restart after the clock was set back"],
)
async def test_another_life_of_the_worker_is_another_boot(
    server: Answers, reader: StatPageReader, later: bytes
) -> None:
    server.next = [page_response()]
    first = await reader.read_page(None)
    server.next = [later]
    second = await reader.read_page(first.boot)
    assert second.boot != first.boot
    assert (await reader.read_page(second.boot)).boot == second.boot


@pytest.mark.parametrize("step_s", [3 * 3600, -3600])
async def test_step_of_nginx_clock_keeps_the_boot_because_the_page_and_its_date_step_together(
    server: Answers, reader: StatPageReader, step_s: int
) -> None:
    server.next = [page_response()]
    first = await reader.read_page(None)
    server.next = [page_response(uptime_s=33 + step_s)]
    assert (await reader.read_page(first.boot)).boot == first.boot


@pytest.mark.parametrize("page", [PAGE, IDLE_PAGE], ids=["with clients", "idle"])
@pytest.mark.parametrize("step_s", [3 * 3600, -3600])
async def test_step_of_nginx_clock_behind_a_proxy_with_a_date_of_its_own_keeps_the_boot(
    server: Answers, reader: StatPageReader, step_s: int, page: bytes
) -> None:
    server.next = [page_response(page=page)]
    first = await reader.read_page(None)
    for passed_s in (1, 2, 3600, 3601, 3602):
        server.next = [page_response(uptime_s=32 + passed_s + step_s, date_shift_s=-step_s, page=page)]
        assert (await reader.read_page(first.boot)).boot == first.boot


async def test_old_worker_that_responds_during_a_reload_is_not_counted_again(
    server: Answers, reader: StatPageReader
) -> None:
    old, new = page_response(), page_response(pid=99, uptime_s=0, began_s=BEGAN_S + 60)
    server.next = [old]
    first = await reader.read_page(None)
    server.next = [new, old, new, old, new]
    assert str((await reader.read_page(first.boot)).boot) == f"{BEGAN_S + 60}-99"


async def test_several_workers_are_refused_until_one_is_left(server: Answers, reader: StatPageReader) -> None:
    first_worker, second_worker = page_response(pid=1), page_response(pid=2)
    server.next = [first_worker]
    first = await reader.read_page(None)
    server.next = [second_worker, first_worker] * 200
    for _ in range(2):
        with pytest.raises(SourceError, match="worker_processes 1"):
            await reader.read_page(first.boot)
    server.next = [first_worker]
    assert (await reader.read_page(first.boot)).boot == first.boot


def test_name_of_a_boot_can_be_parsed() -> None:
    assert WorkerBoot.parse(str(WorkerBoot(BEGAN_S, 7))) == WorkerBoot(BEGAN_S, 7)


class SlowNetworkClock(HandClock):
    """A clock that moves on by 300 ms with each look at it, as if responses took that long."""

    def elapsed_ms(self) -> int:
        self.now += 300
        return self.now


async def test_worker_behind_a_slow_network_is_read(server: Answers) -> None:
    clock = SlowNetworkClock(NOW_MS)
    reader = StatPageReader(server.url + "/stat", clock, None, options=PATIENT)
    server.next = [page_response()]
    sample = await reader.read_page(None)
    await reader.close()
    assert clock.now - NOW_MS > page_reader.MAX_SETTLING_MS
    assert str(sample.boot) == f"{BEGAN_S}-10427"
