"""Answers that several clients receive, each encoded once."""

import asyncio
import threading
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.service.http.timed_json import TimedJson
from streamusage.service.queries.trends import list_trends, trends_condition

Result = TypeVar("Result")

MOST_ANSWERS = 64
LIMIT_BYTES = 64 * 1024 * 1024


class SharedAnswers:
    """The answers used last, by what they depend on. Bounded in their number and bytes. Safe for several threads."""

    def __init__(self, most: int = MOST_ANSWERS, limit_bytes: int = LIMIT_BYTES) -> None:
        self._most = most
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._answers: dict[Hashable, tuple[Hashable, TimedJson]] = {}

    def find(self, question: Hashable, state: Hashable) -> TimedJson | None:
        """Return the answer to a question if it was kept in this state."""
        with self._lock:
            kept = self._answers.get(question)
            if kept is None or kept[0] != state:
                return None
            self._answers[question] = self._answers.pop(question)
            return kept[1]

    def keep(self, question: Hashable, state: Hashable, answer: TimedJson) -> None:
        """Keep the answer in place of that of another state. The answers unused for longest leave."""
        with self._lock:
            self._answers.pop(question, None)
            self._answers[question] = state, answer
            while len(self._answers) > self._most or self.size_bytes > self._limit_bytes:
                del self._answers[next(iter(self._answers))]

    @property
    def size_bytes(self) -> int:
        """Memory that the answers occupy."""
        return sum(answer.size_bytes for _, answer in self._answers.values())


class Reader(Protocol):
    """Access to the store."""

    async def __call__(self, work: Callable[[Connection], Result]) -> Result:
        """Return the result of a read on one snapshot."""
        ...


class SharedTrends:
    """Trends, computed once a minute for all clients that request the same window; concurrent requests share it.

    A kept answer is used only in the minute in which it was computed, and only while the same servers owe time, are
    removed, refused or unreadable, and no sample was discarded: what an answer shows as accounted for was so when the
    minute began, and a server that fell silent makes the next request compute anew. What is younger than the answer,
    such as a stream that has just begun, follows with the next minute.
    """

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._kept = SharedAnswers(most=16)
        self._computing: dict[Hashable, asyncio.Task[TimedJson]] = {}

    async def answer(self, window: Interval, step_ms: int, now_ms: int) -> TimedJson:
        """Return the trends. Raises what `list_trends` raises."""
        question = (window, step_ms, now_ms // SLOT_MS)
        state = await self._read(lambda connection: trends_condition(connection, now_ms))
        kept = self._kept.find(question, state)
        if kept is not None:
            return kept
        task = self._computing.get((question, state))
        if task is None:
            task = asyncio.create_task(self._compute(window, step_ms, now_ms))
            self._computing[question, state] = task
            task.add_done_callback(lambda _task: self._computing.pop((question, state), None))
        # A client that leaves does not take the answer from the others.
        return await asyncio.shield(task)

    async def _compute(self, window: Interval, step_ms: int, now_ms: int) -> TimedJson:
        def compute(connection: Connection) -> TimedJson:
            # Of the same snapshot as the figures: the condition may have changed since the request.
            state = trends_condition(connection, now_ms)
            answer = TimedJson(list_trends(connection, window, step_ms, now_ms))
            self._kept.keep((window, step_ms, now_ms // SLOT_MS), state, answer)
            return answer

        return await self._read(compute)
