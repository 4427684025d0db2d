"""A random history of one estate, done to several services alike, and everything that each of them answers.

Each service has its own order in which reports of one instant arrive.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

import msgspec

from streamusage.api.report import EpochIssued, EpochRequest, Report
from streamusage.core.days import day_of
from streamusage.service.retention import Retention
from streamusage.service.tokens import Identity, Tokens, digest_of
from tests.streamusage.service.conftest import USAGE, OwnedClock
from tests.support.service.alike.publishing_agent import PublishingAgent, random_publishes
from tests.support.service.alike.quiet_service import QuietService
from tests.support.service.random_estate import BEGIN, DAY, HOUR, OTHER_ZONES, STREAMS, ZONES

SERVERS = {"origin-1": "origin", "edge-1": "edge", "edge-2": "edge", "edge-3": "edge"}
ADMIN, SECOND_ADMIN = "admin-token", "second-admin-token"
TOKENS = Tokens(
    {
        digest_of(ADMIN): Identity("boss", "admin"),
        digest_of(SECOND_ADMIN): Identity("controller", "admin"),
        **{digest_of(f"{server}-token"): Identity(server, "agent", server) for server in SERVERS},
    }
)
RETENTION = Retention(1, 14, minute_statistics_days=4, hour_statistics_days=7)
"""Records and samples of a day, and minutes that are folded long before they are discarded."""
LONGEST = 40 * DAY
SOME = 8
"""How many of the less important paths are read after a step."""

METRICS = "/metrics?include=estate"
TIMED = re.compile("_compute_seconds")
"""Lines of the metrics about how long something took."""

Answers = dict[str, tuple[int, Any]]

BY_ORDER = ("change", "chain", "audit", "statement", "id")
"""Parts of paths and keys of what depends on the order of arrival by definition: numbers of changes and of entries."""
RANDOM = ("cursor", "hash", "head", "previous", "service")
"""Keys of what is random in each store."""


class RandomHistory:
    """Does the same to all services, but for the order in which reports of one instant arrive."""

    def __init__(self, seed: int, services: Mapping[str, QuietService], clock: OwnedClock) -> None:
        self.random = Random(seed)
        self.services = services
        """By name; names that end in `reversed` receive the reports of an instant in the other order."""
        self.clock = clock
        publishes = random_publishes(self.random, BEGIN, BEGIN + LONGEST)
        self.agents = {
            server: PublishingAgent(
                server,
                role,  # type: ignore[arg-type]
                BEGIN,
                [publish for publish in publishes if role == "origin" or self.random.random() < 0.7],
                self.random,
            )
            for server, role in SERVERS.items()
        }
        self.silent_until: dict[str, int] = {}
        self.done: list[str] = []
        """What was done, for the message of a difference."""
        self.deleted: list[dict[str, Any]] = []

    async def step(self) -> None:
        """Let some hours pass, and do one thing."""
        self.clock.now += self.random.randrange(HOUR // 2, 9 * HOUR)
        await self._report_all()
        choices = {
            self._delete_session: 3,
            self._delete_stream: 1,
            self._delete_all: 0.3,
            self._restore: 2,
            self._import: 1,
            self._discard: 3,
            self._remove: 1.5,
            self._silence: 3,
            self._close: 0.5,
            self._approve: 1,
        }
        (work,) = self.random.choices(list(choices), list(choices.values()))
        await work()
        for service in self.services.values():
            await service.settle()

    async def each(self, method: str, path: str, body: Any = None, token: str = ADMIN) -> tuple[int, Any]:
        """Send a request to each service; all must answer the same."""
        answers = {name: await service.request(method, path, token, body) for name, service in self.services.items()}
        first = next(iter(answers.values()))
        self.done.append(f"{self.clock.now} {method} {path}: {first[0]}")
        different = {name: answer for name, answer in answers.items() if without_order(answer) != without_order(first)}
        assert not different, f"{path}: {first} and {different}"
        return first

    async def _report_all(self) -> None:
        reports = {}
        for server, agent in self.agents.items():
            if self.silent_until.get(server, 0) > self.clock.now or self.random.random() < 0.15:
                continue
            if not agent.epoch:
                request = EpochRequest(journal=server)
                status, issued = await self.each("POST", f"/api/v1/agents/{server}/epochs", request, f"{server}-token")
                assert status == 200, issued
                answer = msgspec.convert(issued, EpochIssued)
                agent.epoch, agent.based_on = answer.epoch, answer.based_on
            reports[server] = agent.report(self.random, self.clock.now, self.random.choice((0, 0, 3)))
        for name, service in self.services.items():
            ordered = sorted(reports, reverse=name.endswith("reversed"))
            for server in ordered:
                await self._send(service, reports[server])
        for server, report in reports.items():
            agent = self.agents[server]
            agent.acknowledged, agent.based_on, agent.watermark = report.upto, None, report.baseline.at
        self.done.append(f"{self.clock.now} reports of {', '.join(reports)}")

    async def _send(self, service: QuietService, report: Report) -> None:
        path = f"/api/v1/agents/{report.server}/reports"
        status, answer = await service.request("POST", path, f"{report.server}-token", report)
        assert (status, answer.get("acknowledged")) == (200, report.upto), answer

    async def _records(self) -> list[dict[str, Any]]:
        _, records = await self.each("GET", f"{USAGE}?accessToken={ADMIN}")
        return sorted(records, key=lambda record: (record["scope"], record["name"], record["startTime"]))

    async def _delete_session(self) -> None:
        if records := await self._records():
            record = self.random.choice(records)
            self.deleted.append(record)
            key = f"{record['scope']}/{record['name'].replace('/', '%2F')}"
            await self.each("DELETE", f"{USAGE}/{key}?accessToken={ADMIN}&startTime={record['startTime']}")

    async def _delete_stream(self) -> None:
        scope, name = self.random.choice(STREAMS)
        self.deleted += [
            record for record in await self._records() if (record["scope"], record["name"]) == (scope, name)
        ]
        await self.each("DELETE", f"{USAGE}/{scope}/{name.replace('/', '%2F')}?accessToken={ADMIN}")

    async def _delete_all(self) -> None:
        self.deleted += await self._records()
        await self.each("DELETE", f"{USAGE}?accessToken={ADMIN}")

    async def _restore(self) -> None:
        """Undo a delete, as a console does: import what it returned."""
        if self.deleted:
            some = self.random.sample(self.deleted, min(3, len(self.deleted)))
            unique = {(record["scope"], record["name"], record["startTime"]): record for record in some}
            await self.each("POST", "/api/v1/import", list(unique.values()))

    async def _import(self) -> None:
        scope, name = self.random.choice(STREAMS)
        start_time = self.clock.now - self.random.randrange(3 * DAY)
        record = {
            "name": name, "scope": scope, "startTime": start_time, "endTime": start_time + 5_000, "duration": 5_000,
            "aciveSubscribers": 0, "maxSubscribers": self.random.randrange(90), "lostSubscribers": 2,
            "totalSubscribers": 4, "updated": start_time + 5_001,
        }  # fmt: skip
        await self.each("POST", "/api/v1/import", [record])

    async def _discard(self) -> None:
        self.clock.now += self.random.randrange(DAY)
        found = {name: await service.discard(RETENTION) for name, service in self.services.items()}
        first = next(iter(found.values()))
        self.done.append(f"{self.clock.now} retention: {first}")

    async def _remove(self) -> None:
        server = self.random.choice(list(SERVERS))
        force = self.random.choice(("true", "false"))
        if force == "false":
            self.silent_until[server] = self.clock.now + self.random.randrange(4 * DAY)
            self.clock.now += HOUR
        await self.each("DELETE", f"/api/v1/servers/{server}?force={force}")

    async def _silence(self) -> None:
        server = self.random.choice(list(SERVERS))
        self.silent_until[server] = self.clock.now + self.random.randrange(6 * DAY)
        self.done.append(f"{self.clock.now} {server} is silent until {self.silent_until[server]}")

    async def _close(self) -> None:
        tz = self.random.choice(ZONES)
        day = day_of(self.clock.now, tz) - timedelta(days=self.random.randrange(1, 4))
        await self.each("POST", "/api/v1/days/close", {"day": str(day), "tz": tz.key})

    async def _approve(self) -> None:
        tz = self.random.choice(ZONES)
        first, last = day_of(BEGIN, tz), day_of(self.clock.now, tz)
        _, found = await self.each("GET", f"/api/v1/corrections?from={first}&to={last}&tz={tz.key}")
        pending = [row for row in found.get("corrections", []) if row.get("state") == "proposed"]
        if pending:
            await self.each("POST", "/api/v1/corrections/approve", {"id": pending[0]["id"]}, SECOND_ADMIN)

    def paths(self, *, everything: bool) -> list[str]:
        """Return the paths of records and figures, and of everything else that can be read or of a part of it."""
        now = self.clock.now
        window = f"from={BEGIN - DAY}&to={now}"
        recent = f"from={max(BEGIN, now - 3 * DAY)}&to={now}"
        streams = [f"{scope}/{name.replace('/', '%2F')}" for scope, name in STREAMS]
        zones = [f"from={day_of(BEGIN - DAY, tz)}&to={day_of(now, tz)}&tz={tz.key}" for tz in (*ZONES, OTHER_ZONES[1])]
        always = [
            f"{USAGE}?accessToken={ADMIN}",
            "/api/v1/changes?limit=10000",
            "/api/v1/servers",
            f"/api/v1/coverage?{window}",
            f"/api/v1/disagreements?{window}",
            f"/api/v1/daily?{zones[0]}",
            f"/api/v1/daily/sums?{zones[0]}&by=month&group=all",
            "/api/v1/orphans?limit=10000",
        ]
        groups = (("day", "server"), ("day", "stream"), ("day", "customer"), ("month", "role"), ("month", "scope"))
        others = [
            f"/streammanager/api/3.1/admin/event/usage?accessToken={ADMIN}",
            *(f"{USAGE}/{stream}?accessToken={ADMIN}" for stream in streams),
            "/streammanager/api/4.0/event/list/stats",
            f"/api/v1/coverage?{recent}&server=edge-1",
            f"/api/v1/carriers?{recent}",
            f"/api/v1/trends?{recent}&step=3600000",
            f"/api/v1/trends?{recent}&step=1800000",
            *(f"/api/v1/streams/{stream}/history?{recent}&step=600000" for stream in streams),
            "/api/v1/chain?limit=1000",
            "/api/v1/audit?limit=10000",
            METRICS,
            *(f"/api/v1/{name}?{days}" for days in zones for name in ("daily", "adjustments", "corrections")),
            *(f"/api/v1/statement?{days}" for days in zones),
            *(f"/api/v1/daily/sums?{days}&by={by}&group={group}" for days in zones for by, group in groups),
        ]
        return always + (others if everything else self.random.sample(others, SOME))

    async def read_answers(self, *, everything: bool) -> dict[str, Answers]:
        """Return by service what it answers to each path."""
        paths = self.paths(everything=everything)

        async def read(service: QuietService) -> Answers:
            found = {path: await service.request("GET", path, ADMIN) for path in paths}
            if METRICS in found:
                status, text = found[METRICS]
                found[METRICS] = status, sorted(line for line in text.splitlines() if not TIMED.search(line))
            for status, answer in found.values():
                if status == 200 and isinstance(answer, dict) and "statement" in answer:
                    answer["statement"] = json.loads(answer["statement"])
            return found

        found = await asyncio.gather(*map(read, self.services.values()))
        return dict(zip(self.services, found, strict=True))


def without_life(answer: Any) -> Any:
    """Return an answer without what is random in each store: names of the feed's life and of the chain, and hashes."""
    if isinstance(answer, dict):
        return {
            key: "" if key == "name" and answer.get("kind") == "beginning" else without_life(value)
            for key, value in answer.items()
            if key not in RANDOM
        }
    return [without_life(value) for value in answer] if isinstance(answer, list) else answer


def without_order(answer: Any) -> Any:
    """Return an answer without what depends on the order of arrival by definition."""
    if isinstance(answer, dict):
        left_out = (*BY_ORDER, *RANDOM)
        return {key: without_order(value) for key, value in answer.items() if key not in left_out}
    if isinstance(answer, list | tuple):
        return sorted((without_order(value) for value in answer), key=repr)
    return answer


def differences(one: Answers, other: Answers, *, of_order: bool) -> dict[str, Any]:
    """Return the answers that differ, by path. `of_order` compares services that received reports in other orders."""
    found = {}
    for path, answer in one.items():
        if of_order and any(part in path for part in BY_ORDER):
            continue
        same = without_order if of_order else without_life
        pair = same(list(answer)), same(list(other[path]))
        if pair[0] != pair[1]:
            found[path] = pair
    return found


def first_difference(one: Any, other: Any, place: str = "") -> str:
    """Return where two decoded answers differ first."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if one.get(key) != other.get(key):
                return first_difference(one.get(key), other.get(key), f"{place}.{key}")
    if isinstance(one, list) and isinstance(other, list):
        for number, pair in enumerate(zip(one, other, strict=False)):
            if pair[0] != pair[1]:
                return first_difference(*pair, f"{place}[{number}] of {one[number]!s:.200}")
        return f"{place}: {len(one)} and {len(other)} rows: {one[len(other) :] or other[len(one) :]!s:.500}"
    return f"{place}: {one!s:.300} and {other!s:.300}"
