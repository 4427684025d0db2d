"""Answers that clients share: what makes them new, and how much memory they occupy."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from streamusage.api.extension import Changes, DeletedSession
from streamusage.api.report import SampleRow
from streamusage.service.http.shared_answers import SharedAnswers
from streamusage.service.http.timed_json import TimedJson
from tests.streamusage.service.conftest import NOW, Estate, a_record
from tests.support.service.parties.reporting import ReportingAgent, a_session

MINUTE = 60_000


@contextmanager
def counted_reads(phrase: str) -> Iterator[list[str]]:
    """Yield the statements with that phrase, as they run."""
    found: list[str] = []

    def count(_connection: Any, _cursor: Any, sql: str, _parameters: Any, _context: Any, _many: bool) -> None:
        if phrase in sql:
            found.append(sql)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", count)


def a_sample(minute: int, active: int) -> SampleRow:
    return SampleRow(
        slot=NOW + minute * MINUTE, scope="live", name="stream1", revision=0, active=active, highest=active
    )


async def trend(estate: Estate, token: str = "viewer-token") -> dict[str, Any]:
    answer = await estate.request("GET", f"/api/v1/trends?from={NOW}&to={NOW + 5 * MINUTE}&step={MINUTE}", token)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_trends_are_computed_once_a_minute_for_all_consoles(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += MINUTE
    await agent.sync_up(a_session(), a_sample(0, 2))
    with counted_reads("JOIN samples") as reads:
        answers = await asyncio.gather(*(trend(estate) for _ in range(10)))
        estate.clock.now += 7_000
        answers.append(await trend(estate, "admin-token"))
    assert len(reads) == 1
    assert [answer["now"] for answer in answers] == [NOW + MINUTE] * 10 + [NOW + MINUTE + 7_000]
    assert all(answer["streams"] == answers[0]["streams"] for answer in answers)
    assert answers[0]["streams"][0]["active"][0] == 2

    estate.clock.now = NOW + 2 * MINUTE
    await agent.sync_up(a_session(active=5), a_sample(1, 5))
    with counted_reads("JOIN samples") as reads:
        later = await trend(estate)
    assert (len(reads), later["streams"][0]["active"][:2]) == (1, [2, 5]), "a new minute computes anew"


async def test_shared_trends_do_not_show_a_silent_server_as_accounted_for(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    estate.clock.now += 3_000
    await agent.sync_up(a_session(), a_sample(0, 2))

    async def state_now() -> str:
        return (await trend(estate))["streams"][0]["state"][0]  # type: ignore[no-any-return]

    assert await state_now() == "live"
    estate.clock.now += 40_000
    assert await state_now() == "missing", "in the same minute"
    await agent.sync_up(a_session(), a_sample(0, 2))
    assert await state_now() == "backfilled"
    estate.clock.now += 5_000
    assert await state_now() == "backfilled"


async def test_failure_of_shared_trends_is_not_kept(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    agent.watermark = 0
    await agent.sync_up(a_session(), a_sample(0, 2), upto_ms=NOW)
    path = f"/api/v1/trends?from=0&to={2**53}&step={2**53 // MINUTE * MINUTE}"
    answers = await asyncio.gather(*(estate.request("GET", path) for _ in range(3)), estate.request("GET", path))
    assert {answer.status_code for answer in answers} == {400}


async def test_changes_page_is_shared_until_anything_changes(estate: Estate) -> None:
    await estate.import_records(*(a_record(f"s{number}") for number in range(60)))

    async def page(cursor: str = "", limit: int = 100) -> dict[str, Any]:
        answer = await estate.request("GET", f"/api/v1/changes?cursor={cursor}&limit={limit}", "viewer-token")
        return answer.json()  # type: ignore[no-any-return]

    with counted_reads("WHERE usage.change >") as reads:
        first = await page()
        estate.clock.now += 1_234
        again = await page()
        compressed = await estate.request("GET", "/api/v1/changes?limit=100", headers={"Accept-Encoding": "gzip"})
    assert len(reads) <= 1
    assert again == first | {"now": NOW + 1_234} == compressed.json()
    assert len((await page(limit=7))["records"]) == 7

    await estate.import_records(a_record("new"))
    assert len((await page())["records"]) == 61
    assert [record["name"] for record in (await page(first["cursor"]))["records"]] == ["new"]
    await estate.usage("DELETE", "/live/new")
    assert (await page(first["cursor"]))["deleted"] == [{"scope": "live", "name": "new", "startTime": 1525079735737}]


def a_page(names: int, prefix: str = "n") -> TimedJson:
    return TimedJson(
        Changes(now=1, cursor="", deleted_sessions=[DeletedSession(prefix, str(number), 1) for number in range(names)])
    )


def test_kept_answers_are_bounded_in_number_and_bytes() -> None:
    answers = SharedAnswers(most=3, limit_bytes=100_000)
    for number in range(5):
        answers.keep(number, 0, a_page(1))
        assert answers.find(0, 0) is not None
    assert [answers.find(number, 0) is not None for number in range(5)] == [True, False, False, True, True]
    answers.keep("large", 0, a_page(1_500))
    assert answers.find("large", 0) is not None
    answers.keep("larger", 0, a_page(1_900))
    assert (answers.find("large", 0), answers.find("larger", 0) is not None) == (None, True)
    answers.keep("too large", 0, a_page(5_000))
    assert answers.find("too large", 0) is None
    assert answers.size_bytes <= 100_000


def test_answer_of_another_state_is_replaced() -> None:
    answers = SharedAnswers()
    old, new = a_page(1), a_page(2)
    answers.keep("question", "old", old)
    assert answers.find("question", "new") is None
    answers.keep("question", "new", new)
    assert (answers.find("question", "old"), answers.find("question", "new")) == (None, new)
