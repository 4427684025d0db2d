"""The rules that every source keeps, checked with recorded answers of its media server.

`check_source` plays the recorded answers to the source, repeats, truncates and falsifies them, counts the readings with
the agent's own meter, and returns what is wrong. It is used by the tests of the built-in sources, and can be used by
packages that add a source: docs/sources/writing-a-source.md.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

import msgspec

from streamusage.agent.journal.rows import rows_of
from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import Additions
from streamusage.agent.metering.meter import MeterState
from streamusage.agent.reading import Reading, Source, SourceError
from streamusage.api.report import Baseline
from streamusage.core.figures import STREAM_SUM_NAMES, slot_sums

Answers = Mapping[str, bytes]
"""What the media server answers, by a name of the answer: a path, or the name of a file."""

NUMBERS_PER_ANSWER = 6
"""So many numbers of each answer are falsified, evenly distributed."""

NEGATIVE, HUGE = b"-7", b"9" * 25

UNREADABLE: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda body: body[: len(body) // 2],
    "a login page": lambda _: b"<html><body>Please log in</body></html>",
    "binary": lambda _: bytes(range(256)) * 4,
}


class Bench(Protocol):
    """A media server of the test, whose answers can be set, and sources that read it."""

    def show(self, answers: Answers) -> None:
        """Let the media server give these answers from now on."""
        ...

    async def open_source(self) -> Source:
        """Return a new source, as after a restart of the agent. The bench closes it."""
        ...


class RecordedServer(NamedTuple):
    """Recorded answers of one kind of media server."""

    steps: Sequence[Answers]
    """Answers of one life of the server, one after the other: viewers come and go, counters grow."""
    open_bench: Callable[[], AbstractAsyncContextManager[Bench]]
    restarted: Answers | None = None
    """Answers after a restart, with counters that began again."""
    tolerates: frozenset[str] = frozenset()
    """Answers that may have any form, because no figure depends on them, such as that to a login."""
    logs: frozenset[str] = frozenset()
    """Answers that are logs: a shorter one is as good as a long one."""


class _Counted:
    """Readings of one source, counted by the meter."""

    def __init__(self, problems: list[str], case: str) -> None:
        self._problems, self._case = problems, case
        self.state: MeterState | None = None
        self.connections = self.bytes = 0

    def count(self, reading: Reading) -> Additions:
        """Count a reading, and record what is wrong with its figures."""
        try:
            if self.state is None:
                self.state, added = meter.start(reading)
            else:
                self.state, added = meter.step(self.state, reading)
            msgspec.json.decode(msgspec.json.encode(self.state.baseline), type=Baseline)
            for row in rows_of(added, 1):
                msgspec.json.decode(msgspec.json.encode(row), type=type(row))
        except Exception as error:
            self._problems.append(f"{self._case}: no report can hold the figures: {type(error).__name__}: {error}")
            return Additions()
        self.connections += sum(sum(slot.connections.values()) for slot in added.slots.values())
        self.bytes += sum(slot.bytes_in + slot.bytes_out for slot in added.slots.values())
        figures = [
            value
            for slot in added.slots.values()
            for value in (slot.bytes_in, slot.bytes_out, slot.view_time_ms, *slot.connections.values())
        ]
        if min(figures, default=0) < 0:
            self._problems.append(f"{self._case}: a figure is negative")
        for slot, streams in added.streams.items():
            whole = slot_sums(added.slot(slot)) | {"connections": added.slot(slot).connections.total()}
            for name in STREAM_SUM_NAMES:
                if sum(getattr(part, name) for part in streams.values()) > whole[name]:
                    self._problems.append(f"{self._case}: streams have more {name} than the server")
        return added


async def check_source(recording: RecordedServer) -> list[str]:
    """Return what is wrong with a source, each with the case in which it happens; empty if it keeps all rules."""
    problems: list[str] = []
    await _check_course(recording, problems)
    await _check_repeats(recording, problems)
    if recording.restarted is not None:
        await _check_restart(recording, recording.restarted, problems)
    for name in recording.steps[-1]:
        for how, spoil in UNREADABLE.items():
            if how == "truncated" and name in recording.logs:
                continue
            await _check_unreadable(recording, name, how, spoil, problems)
        for how, number in (("negative", NEGATIVE), ("huge", HUGE)):
            for body in falsify(recording.steps[-1][name], number):
                await _check_falsified(recording, name, how, body, problems)
    return list(dict.fromkeys(problems))


async def _check_course(recording: RecordedServer, problems: list[str]) -> None:
    """Each viewer of the course counts once, and a reading that repeats the last one adds nothing."""
    counted = _Counted(problems, "recorded answers")
    viewers: set[str] = set()
    others = 0
    async with recording.open_bench() as bench:
        source = await bench.open_source()
        cursor: str | None = None
        for answers in (*recording.steps, *recording.steps[-1:]):
            bench.show(answers)
            try:
                reading = await source.read(cursor)
            except SourceError as error:
                problems.append(f"recorded answers: they cannot be read: {error}")
                return
            cursor = reading.cursor
            counted.count(reading)
            viewers |= {f"{reading.boot}/{viewer.viewer_id}" for viewer in reading.viewers}
            ids = [viewer.viewer_id for viewer in reading.viewers]
            if len(set(ids)) < len(ids):
                problems.append("recorded answers: two viewers of one reading have one id")
            others += _count_unnamed(reading)
    if counted.connections > len(viewers) + others:
        problems.append(f"recorded answers: {counted.connections} connections of {len(viewers)} viewers")


async def _check_repeats(recording: RecordedServer, problems: list[str]) -> None:
    """A cursor names a position: read from it again, also by another process, and the same lines follow."""
    async with recording.open_bench() as bench:
        source = await bench.open_source()
        bench.show(recording.steps[0])
        first = await source.read(None)
        bench.show(recording.steps[-1])
        then = await source.read(first.cursor)
        again = await source.read(first.cursor)
        other = await (await bench.open_source()).read(first.cursor)
        if again.ended != then.ended:
            problems.append("repeated reading: the same cursor gives other log lines")
        if (again.boot, other.boot) != (then.boot, then.boot):
            problems.append("repeated reading: the life of the server has another name")
        if _identities(again) != _identities(then):
            problems.append("repeated reading: viewers, publishes or counters have other ids")
        if not {line.connection_id for line in other.ended} >= {line.connection_id for line in then.ended}:
            problems.append("restarted agent: log lines after the cursor are missing")
        if _identities(other) != _identities(then):
            problems.append("restarted agent: viewers, publishes or counters have other ids")
        between = await source.ended_between(first.cursor, then.cursor)
        if {line.connection_id for line in between} != {line.connection_id for line in then.ended}:
            problems.append("ended_between: it gives other lines than the readings of the same time")
        unchanged = _Counted(problems, "repeated reading")
        unchanged.count(msgspec.structs.replace(then, ended=()))
        before = unchanged.connections, unchanged.bytes
        unchanged.count(msgspec.structs.replace(again, ended=()))
        if (unchanged.connections, unchanged.bytes) != before:
            problems.append("repeated reading: the same figures count twice")


async def _check_restart(recording: RecordedServer, restarted: Answers, problems: list[str]) -> None:
    """After a restart of the media server, its counters begin again and its viewers are new."""
    counted = _Counted(problems, "restart")
    async with recording.open_bench() as bench:
        source = await bench.open_source()
        bench.show(recording.steps[-1])
        before = await source.read(None)
        counted.count(before)
        known = counted.connections
        bench.show(restarted)
        after = await source.read(before.cursor)
        counted.count(after)
        if counted.connections - known > len(after.viewers) + _count_unnamed(after):
            problems.append("restart: viewers of the life before count again")


async def _check_unreadable(
    recording: RecordedServer, name: str, how: str, spoil: Callable[[bytes], bytes], problems: list[str]
) -> None:
    """An answer that cannot be read gives an error or a time that is partial, never a reading that counts as whole."""
    case = f"{name} is {how}"
    async with recording.open_bench() as bench:
        source = await bench.open_source()
        counted = _Counted(problems, case)
        bench.show(recording.steps[0])
        first = await source.read(None)
        counted.count(first)
        last = recording.steps[-1]
        bench.show({**last, name: spoil(last[name])})
        reading = await _read_or_fail(source, first.cursor, case, problems)
        if reading is None:
            return
        counted.count(reading)
        is_stated = reading.misses or any(line.kind == "unreadable" for line in reading.ended)
        if not is_stated and name not in recording.tolerates:
            problems.append(f"{case}: the reading counts as whole")


async def _check_falsified(recording: RecordedServer, name: str, how: str, body: bytes, problems: list[str]) -> None:
    """A figure that is no count makes no figure negative, and no report impossible."""
    case = f"a number of {name} is {how}"
    async with recording.open_bench() as bench:
        source = await bench.open_source()
        counted = _Counted(problems, case)
        last = recording.steps[-1]
        cursor = None
        for answers in (recording.steps[0], {**last, name: body}, last):
            bench.show(answers)
            reading = await _read_or_fail(source, cursor, case, problems)
            if reading is not None:
                counted.count(reading)
                cursor = reading.cursor


async def _read_or_fail(source: Source, cursor: str | None, case: str, problems: list[str]) -> Reading | None:
    try:
        return await source.read(cursor)
    except SourceError:
        return None
    except Exception as error:
        problems.append(f"{case}: read raised {type(error).__name__} instead of SourceError")
        return None


def falsify(body: bytes, number: bytes) -> Iterator[bytes]:
    """Yield an answer with one of its whole numbers replaced, for several of them."""
    found = list(re.finditer(rb"(?<![\w.+-])\d+(?![\w.])", body))
    for match in found[:: max(1, -(-len(found) // NUMBERS_PER_ANSWER))]:
        yield body[: match.start()] + number + body[match.end() :]


def _count_unnamed(reading: Reading) -> int:
    """Return the most connections that a reading may add beside its viewers."""
    lines = sum(line.kind in ("play", "join") for line in reading.ended)
    audiences = sum(max(audience.viewers or 0, audience.joined or 0) for audience in reading.audiences)
    return lines + audiences + max(0, reading.accepted or 0)


def _identities(reading: Reading) -> tuple[set[str], set[str], set[str]]:
    return (
        {viewer.viewer_id for viewer in reading.viewers},
        {publish.publish_id for publish in reading.publishes},
        {counter.key for counter in reading.counters},
    )
