"""Publishes in one step of the meter: which started, continued or ended, and how many subscribers they had. Pure.

A session is one publish of a stream. It ends at the time of its log line or, without a line, at the last reading that
showed it. A publish that the server refused, and that no reading showed, is no session.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from streamusage.agent.metering.additions import Additions, SampleAddition, SessionAddition
from streamusage.agent.metering.retired import boot_of
from streamusage.agent.reading import EndedConnection, PublishReading
from streamusage.api.report import OpenPublish
from streamusage.core.coverage import slot_of
from streamusage.core.usage import StreamId


class Publishes:
    """The publishes that were live at the last reading, advanced to the present one."""

    def __init__(self, live: Iterable[OpenPublish], last_at: int, now: int, additions: Additions) -> None:
        """`now` is the time of the reading, from which ages count; `last_at` is where coverage ended before."""
        self._live = {publish.publish_id: publish for publish in live}
        self._last_at = last_at
        self._now = now
        self._additions = additions
        self._unseen: Counter[str] = Counter()
        """Number of subscribers that only the log reported, by publish."""
        self.seen: dict[StreamId, str] = {}
        """The live publishes at this reading, by stream."""
        self._served: dict[str, bool] = {}
        """The publishes of earlier boots whose lines are awaited, and whether each is on air."""

    @property
    def live(self) -> tuple[OpenPublish, ...]:
        """The publishes that are live after the step."""
        return tuple(self._live.values())

    def update(self, publishes: Iterable[PublishReading], boot: str) -> None:
        """Add the publishes of this reading. One that is counted already keeps its name; of several new ones with one
        name, each but the first gets its id added.
        """
        for publish in sorted(publishes, key=lambda publish: f"{boot}/{publish.publish_id}" not in self._live):
            publish_id = f"{boot}/{publish.publish_id}"
            known = self._live.get(publish_id)
            stream = StreamId(publish.scope, publish.name) if known is None else StreamId(known.scope, known.name)
            if stream in self.seen:
                stream = StreamId(publish.scope, f"{publish.name} [{publish.publish_id}]")
            self.seen[stream] = publish_id
            if known is None:
                self._live[publish_id] = OpenPublish(
                    publish_id=publish_id,
                    scope=stream.scope,
                    name=stream.name,
                    start_time=max(0, self._now - publish.age_ms),
                    highest=0,
                )
            elif known.counted_to is not None:
                self._live[publish_id] = msgspec.structs.replace(known, counted_to=None)

    def keep_served(self, draining: Mapping[str, bool]) -> None:
        """Keep the publishes of earlier boots that serve connections, and whether this is certain of each.

        Viewers of the present boot belong to their sessions, unless the stream is published anew. Then a publish of a
        boot that perhaps runs no more is shown as ended until its line arrives.
        """
        for publish_id, publish in self._live.items():
            boot = boot_of(publish_id)
            if boot not in draining or publish_id in self.seen.values():
                continue
            stream = StreamId(publish.scope, publish.name)
            if publish.counted_to is None:
                self._live[publish_id] = msgspec.structs.replace(publish, counted_to=max(0, self._last_at))
            self._served[publish_id] = stream not in self.seen or draining[boot]
            self.seen.setdefault(stream, publish_id)

    def stream_of(self, publish_id: str) -> StreamId | None:
        """Return the stream of a live publish; `None` if no such publish is live."""
        publish = self._live.get(publish_id)
        return None if publish is None else StreamId(publish.scope, publish.name)

    def find_boot(
        self,
        connection_id: str,
        boots: Sequence[str],
        started_at: int,
        within_ms: int | None = None,
        earlier_boots_from: int | None = None,
    ) -> str | None:
        """Return the boot of a live publish with that id, of several the one with the nearest start: one that differs
        by at most `within_ms`, where given. With `earlier_boots_from`, the first of the boots is the present one; of
        the others a publish that began before is left out.
        """
        differences = {
            boot: abs(publish.start_time - started_at)
            for boot in boots
            if (publish := self._live.get(f"{boot}/{connection_id}")) is not None
            and (boot == boots[0] or earlier_boots_from is None or publish.start_time >= earlier_boots_from)
        }
        boot = min(differences, key=differences.__getitem__, default=None)
        return None if boot is None or (within_ms is not None and differences[boot] > within_ms) else boot

    def end(self, publish_id: str, line: EndedConnection, started_at: int, ended_at: int) -> None:
        """End a publish by its log line. A line without names can end only a publish that a reading showed."""
        publish = self._live.pop(publish_id, None)
        self._served.pop(publish_id, None)
        if publish is None and line.refused:
            return
        stream = StreamId(line.scope, line.name) if publish is None else StreamId(publish.scope, publish.name)
        if not all(stream):
            return
        if self.seen.get(stream) == publish_id:
            del self.seen[stream]
        start_time, highest = (started_at, 0) if publish is None else (publish.start_time, publish.highest)
        self._add_ended_session(publish_id, stream, start_time, ended_at, highest)

    def count_unseen_subscriber(self, stream: StreamId, ended_at: int, *, is_on_air: bool = False) -> None:
        """Add a subscriber that no reading showed to the publish at that time, if there was one.

        `is_on_air` is for a line which proves that the stream was on air: a publish that seems to begin only later is
        dated by a clock that was slewed or set in between.
        """
        for publish in self._live.values():
            if (publish.scope, publish.name) == stream and publish.start_time <= ended_at:
                self._unseen[publish.publish_id] += 1
                return
        for session in self._additions.sessions.values():
            if (session.scope, session.name) == stream and session.start_time <= ended_at:
                session.joined += 1
                session.highest = max(session.highest, 1)
                return
        if is_on_air and stream in self.seen:
            self._unseen[self.seen[stream]] += 1

    def end_missing(self) -> None:
        """End the publishes that are gone without a log line at the last reading that showed them."""
        for publish_id in self._live.keys() - set(self.seen.values()) - self._served.keys():
            publish = self._live.pop(publish_id)
            ended_at = self._last_shown(publish)
            self._add_ended_session(
                publish_id, StreamId(publish.scope, publish.name), publish.start_time, ended_at, publish.highest
            )

    def add_sessions_and_samples(self, at: int, active: Mapping[StreamId, int], joined: Mapping[StreamId, int]) -> None:
        """Add the state of the live sessions, and a sample of every stream that is published or watched.

        `at` is where coverage ends now.
        """
        for publish_id in self._served.keys() - set(self.seen.values()):
            publish, on_air = self._live[publish_id], self._served[publish_id]
            self._additions.sessions[publish_id] = SessionAddition(
                scope=publish.scope,
                name=publish.name,
                start_time=publish.start_time,
                end_time=at if on_air else self._last_shown(publish),
                live=on_air,
                highest=self._highest(publish_id, publish.highest),
                joined=self._unseen[publish_id],
            )
        for stream, publish_id in self.seen.items():
            publish = self._live[publish_id]
            highest = max(self._highest(publish_id, publish.highest), active.get(stream, 0))
            self._live[publish_id] = msgspec.structs.replace(publish, highest=highest)
            self._additions.sessions[publish_id] = SessionAddition(
                scope=stream.scope,
                name=stream.name,
                start_time=publish.start_time,
                end_time=at,
                live=True,
                active=active.get(stream, 0),
                highest=highest,
                joined=joined.get(stream, 0) + self._unseen[publish_id],
            )
        for stream in active.keys() | self.seen.keys():
            if all(stream):
                subscribers = active.get(stream, 0)
                sample = SampleAddition(subscribers, subscribers)
                self._additions.samples[slot_of(at), stream.scope, stream.name] = sample

    def times_on_air(self, since: int) -> dict[StreamId, int]:
        """Return for how long each stream was on air from `since` to this reading, at least a millisecond if it was."""
        times: Counter[StreamId] = Counter()
        for publish in self._live.values():
            times[StreamId(publish.scope, publish.name)] += max(1, self._now - max(since, publish.start_time))
        for session in self._additions.sessions.values():
            if not session.live:
                on_air_ms = session.end_time - max(since, session.start_time)
                times[StreamId(session.scope, session.name)] += max(1, on_air_ms)
        return dict(times)

    def _last_shown(self, publish: OpenPublish) -> int:
        """Return when a publish was last on a page."""
        return max(publish.start_time, self._last_at if publish.counted_to is None else publish.counted_to)

    def _add_ended_session(
        self, publish_id: str, stream: StreamId, start_time: int, ended_at: int, highest: int
    ) -> None:
        self._additions.sessions[publish_id] = SessionAddition(
            scope=stream.scope,
            name=stream.name,
            start_time=start_time,
            end_time=ended_at,
            live=False,
            highest=self._highest(publish_id, highest),
            joined=self._unseen.pop(publish_id, 0),
        )

    def _highest(self, publish_id: str, highest: int) -> int:
        """Return the highest known number of subscribers: a subscriber that only the log reported counts as one."""
        return max(highest, 1) if self._unseen[publish_id] else highest
