"""A deterministic estate, built over HTTP as consoles and agents would, and the questions that are asked of it.

The estate's evening: two hours around midnight UTC of 14 March 2026. `origin-1` and its edge carry one stream, the edge
is cut off from 23:10 to 00:20, `solo-1` loses some time and later contradicts itself, two spare servers are taken out,
and `late-1` reports for the first time when the day is closed.
"""

from typing import Any
from urllib.parse import quote

from tests.compatibility.exchange import Client, Json, metrics_shape, openapi_shape
from tests.compatibility.programs.processes import Clock, wait_until

MINUTE = 60_000
MIDNIGHT = 1_773_532_800_000
"""2026-03-15T00:00:00Z."""
BEGIN = MIDNIGHT - 90 * MINUTE
INTERVAL_MS = 10 * MINUTE
END = MIDNIGHT + 50 * MINUTE
LATER = MIDNIGHT + 200 * MINUTE
"""When every server has been silent for longer than the edge timeout."""

USAGE = "/streammanager/api/4.0/admin/event/usage"
USAGE_31 = "/streammanager/api/3.1/admin/event/usage"


def minute(hour: int, past: int) -> int:
    """Return the time of day in the estate's night: hours from 20 on are before midnight."""
    return MIDNIGHT + ((hour - 24 if hour >= 20 else hour) * 60 + past) * MINUTE


def record(scope: str, name: str, start_time: int, **figures: int) -> dict[str, Json]:
    """Return a documented usage record."""
    made = {"name": name, "scope": scope, "startTime": start_time, "endTime": start_time + 600_000, "duration": 600_000}
    made |= {"aciveSubscribers": 0, "maxSubscribers": 7, "lostSubscribers": 9, "totalSubscribers": 9}
    return made | {"updated": start_time + 600_500} | figures


class Server:
    """A media server's agent, as far as the service can see it."""

    def __init__(self, client: Client, clock: Clock, name: str, role: str, weight: int) -> None:
        self._client, self._clock = client, clock
        self.name, self.role, self._weight = name, role, weight
        self.epoch = 1
        self.life = f"{name}-journal.1"
        self.revision = 0
        self.acknowledged = 0
        self.based_on: dict[str, int] | None = {"epoch": 0, "revision": 0}
        self.since = self.counted_to = BEGIN

    def issue_epoch(self, journal: str, epoch: int = 0) -> Json:
        body = {"journal": journal, "epoch": epoch}
        answer = self._client.send("POST", f"/api/v1/agents/{self.name}/epochs", token=self.name, body=body)
        return answer.json

    def slots(self, from_ms: int, to_ms: int) -> list[dict[str, Json]]:
        weight = self._weight
        return [
            {
                "slot": slot,
                "revision": self.revision,
                "connections": {"rtmp": weight + number % 3, "hls": number % 2},
                "bytes_in": 1_000_000 * weight + 1_000 * number,
                "bytes_out": 3_000_000 * weight + 7_000 * (number % 11),
                "view_time_ms": 45_000 * weight + 100 * number,
                "peak_in": {"bps": 150_000 * weight + number, "at": slot + 20_000, "window_ms": 10_000},
                "peak_out": {"bps": 450_000 * weight + 13 * (number % 7), "at": slot + 30_000, "window_ms": 10_000},
            }
            for number, slot in ((slot // MINUTE, slot) for slot in range(from_ms, to_ms, MINUTE))
            for number in [(slot - BEGIN) // MINUTE]
        ]

    def samples(self, scope: str, name: str, from_ms: int, to_ms: int) -> list[dict[str, Json]]:
        return [
            {"slot": slot, "scope": scope, "name": name, "revision": self.revision}
            | {"active": self._weight + slot // MINUTE % 5, "highest": self._weight + 6}
            for slot in range(from_ms, to_ms, MINUTE)
        ]

    def session(self, publish_id: str, scope: str, name: str, start_time: int, **more: Json) -> dict[str, Json]:
        made = {"publish_id": publish_id, "revision": self.revision, "scope": scope, "name": name}
        made |= {"start_time": start_time, "end_time": self._clock.now_ms, "live": True}
        return made | {"active": self._weight, "highest": self._weight + 3, "total": self._weight + 5} | more

    def span(self, from_ms: int, to_ms: int, state: str = "counted", reason: str = "") -> dict[str, Json]:
        return {"from_ms": from_ms, "to_ms": to_ms, "revision": self.revision, "state": state, "reason": reason}

    def report(self, at_ms: int, **rows: Json) -> dict[str, Json]:
        """Return a report of all time up to `at_ms`; `rows` replaces any part of it."""
        self.revision += 1
        from_ms, self.counted_to = self.counted_to, at_ms
        made = {
            "server": self.name,
            "role": self.role,
            "life": self.life,
            "epoch": self.epoch,
            "since": self.acknowledged,
            "upto": self.revision,
            "sent_at": self._clock.now_ms + 25,
            "sync_interval_ms": INTERVAL_MS,
            "baseline": {
                "at": at_ms,
                "boot": f"{self.name}-boot",
                "started_at": BEGIN - MINUTE,
                "since": self.since,
                "bytes_in": at_ms - BEGIN,
                "bytes_out": 3 * (at_ms - BEGIN),
                "window": {"at": at_ms - 5_000, "bytes_in": 10, "bytes_out": 20},
                "cursor": "log:17",
                "publishes": [],
            },
            "slots": self.slots(from_ms, at_ms),
            "spans": [self.span(from_ms, at_ms)] if at_ms > from_ms else [],
        }
        if self.based_on is not None:
            made["based_on"] = self.based_on
        return made | {name: value(self) if callable(value) else value for name, value in rows.items()}

    def send(self, report: Json, note: str = "", **how: Any) -> Json:
        """Send a report; what the service acknowledges is noted."""
        path = f"/api/v1/agents/{self.name}/reports"
        answer = self._client.send("POST", path, token=self.name, body=report, note=note, **how).json
        if "reason" not in answer and "acknowledged" in answer:
            self.acknowledged = answer["acknowledged"]
            self.based_on = None
        return answer


def build(client: Client, clock: Clock) -> str:
    """Let the estate's night pass. Asks for everything at 23:50, in the middle of the outage, at 00:50 and later.

    Returns the cursor of a console that had seen everything up to 00:50.
    """
    clock.set(BEGIN)
    _import(client, clock)
    origin = Server(client, clock, "origin-1", "origin", 4)
    edge = Server(client, clock, "edge-1", "edge", 11)
    solo = Server(client, clock, "solo-1", "standalone", 6)
    spares = [Server(client, clock, name, "standalone", 2) for name in ("spare-1", "spare-2")]
    late = Server(client, clock, "late-1", "standalone", 3)
    for server in (origin, edge, solo, *spares):
        server.issue_epoch(f"{server.name}-journal")
    first = origin.report(BEGIN + MINUTE)
    _refuse_reports(client, origin, first)

    for at_ms in range(BEGIN + INTERVAL_MS, END + 1, INTERVAL_MS):
        clock.set(at_ms)
        _wait_for_overdue(client, at_ms)
        keynote = ("live", "keynote")
        if at_ms == BEGIN + INTERVAL_MS:
            origin.send(first, note="the first report, one minute long")
        if at_ms == minute(23, 40):
            _replace_journal(client, origin)
        origin.send(
            origin.report(
                at_ms,
                sessions=[
                    origin.session(f"pub-{origin.epoch}", *keynote, BEGIN + 10_000),
                    origin.session("short", "live/room 1", "q&a", BEGIN + 20_000, live=False, active=0,
                                   end_time=BEGIN + 8 * MINUTE),
                ] if at_ms < minute(23, 40) else [origin.session("pub-1", *keynote, BEGIN + 10_000)],
                samples=origin.samples(*keynote, at_ms - INTERVAL_MS, at_ms),
                viewers=[
                    {"viewer_id": f"viewer-{at_ms // MINUTE % 100}", "revision": origin.revision, "open": True,
                     "scope": "live", "name": "keynote", "protocol": "rtmp", "started_at": at_ms - 30_000,
                     "publish_id": "pub-1"},
                ],
            )
        )  # fmt: skip
        if at_ms <= minute(23, 10) or at_ms > minute(0, 20):
            edge.send(
                edge.report(
                    at_ms,
                    sessions=[edge.session("edge-pub", *keynote, BEGIN + 12_000)],
                    samples=edge.samples(*keynote, at_ms - INTERVAL_MS, at_ms),
                ),
                packed=True,
            )
        _report_solo(solo, at_ms)
        for spare in spares:
            if at_ms <= minute(23, 30):
                spare.send(spare.report(at_ms, sessions=[spare.session("spare", "spare", spare.name, BEGIN + 5_000)]))
        if at_ms == minute(23, 10):
            # Berlin's midnight was at 23:00; the watermarks are past what it settles.
            wait_until(lambda: _closed_to(client, "Europe/Berlin") == minute(23, 0), "Berlin's day is closed")
        if at_ms == minute(23, 50):
            request(client, "during the outage")
        if at_ms == minute(0, 10):
            _remove_servers(client)
            _close_day(client)
            wait_until(lambda: _closed_to(client, "UTC") == MIDNIGHT, "the day is closed for every server")
        if at_ms == minute(0, 20):
            _bring_back(edge)
        if at_ms == minute(0, 30):
            late.send(late.report(at_ms, sessions=[late.session("late", "late", "show", minute(23, 58))]))
            # What it did before it was first heard of falls into closed days.
            wait_until(lambda: _has_late_days(client), "the closed days of late-1 are entered")
        if at_ms == minute(0, 40):
            _delete(client)
            late.send(late.report(at_ms, sessions=[late.session("late", "late", "show", minute(23, 58), total=40)]),
                      note="of a deleted session: an orphan")  # fmt: skip
    cursor = request(client, "at the end")
    ask_wrongly(client)
    clock.set(LATER)
    wait_until(lambda: _is_silent(client), "every server is unreachable")
    request(client, "long after")
    return cursor


def _wait_for_overdue(client: Client, at_ms: int) -> None:
    """Wait until the service has noticed who fell silent, which it looks for every two seconds.

    Without that the order of changes would be a matter of chance.
    """
    overdue = {
        minute(23, 50): [("live", "keynote", "missing")],
        minute(0, 10): [("spare", "spare-1", "missing"), ("spare", "spare-2", "missing")],
        minute(0, 40): [("music", "night", "held")],
    }
    for scope, name, provenance in overdue.get(at_ms, ()):
        wait_until(lambda s=scope, n=name, p=provenance: _owes(client, s, n, p), f"{scope}/{name} is {provenance}")


def _import(client: Client, clock: Clock) -> None:
    old = [record("old", "one", BEGIN - 50 * MINUTE), record("old", "two", BEGIN - 40 * MINUTE)]
    client.send("POST", "/api/v1/import", token="admin", body=old)
    client.send("DELETE", USAGE, token="admin")
    client.get(USAGE)
    more = [
        record("old", "two", BEGIN - 30 * MINUTE, maxSubscribers=2**40, totalSubscribers=2**41),
        record("old", "slash/ed name", BEGIN - 30 * MINUTE),
        record("", "top", BEGIN - 20 * MINUTE) | {"scope": "événement/día"},
        record("old", "three", BEGIN - 20 * MINUTE, duration=-5, endTime=-1),
    ]
    client.send("POST", "/api/v1/import", token="admin", body=[old[0], *more], note="one of them was deleted")
    client.send("POST", "/api/v1/import", token="admin", body=[more[0]], note="it is there already")
    clock.set(BEGIN + 1_000)


def _refuse_reports(client: Client, origin: Server, first: Json) -> None:
    path = "/api/v1/agents/origin-1/reports"
    origin.send(first | {"based_on": {"epoch": 3, "revision": 9}}, note="stale")
    origin.send(first | {"server": "edge-1"}, note="another server than the path's")
    origin.send(first | {"surprise": 1} | {"slots": "none"}, note="of another form: kept aside")
    client.send("POST", path, token="edge-1", body=first, note="another server's token")
    client.send("POST", path, token="viewer", body=first)
    client.send("POST", path, token="", body=first)
    client.send("POST", path, token="origin-1", body=b"{")
    client.send("POST", path, token="origin-1", body=b"no gzip", headers={"Content-Encoding": "gzip"})
    client.send("POST", path, token="origin-1", body=b"x", headers={"Content-Encoding": "br"})
    client.send("POST", path, token="origin-1", body=bytes(65 * 2**20), packed=True, note="65 MiB of zeros, packed")
    client.send("POST", "/api/v1/agents/origin-1/epochs", token="origin-1", body={"epoch": 1})
    client.send("POST", "/api/v1/agents/origin-1/epochs", token="edge-1", body={"journal": "x"})


def _replace_journal(client: Client, origin: Server) -> None:
    """Let a new journal of the origin take over, after the old one misbehaved."""
    old = origin.report(origin.counted_to)
    origin.send(old | {"since": old["since"] + 5, "upto": old["upto"] + 5}, note="a hole")
    origin.send(old | {"life": "other.9"}, note="another life: sealed")
    origin.send(old | {"since": 0, "upto": 1}, note="a duplicate")
    origin.send(old)
    issued = origin.issue_epoch("second-journal")
    origin.epoch, origin.life, origin.based_on = issued["epoch"], "second-journal.1", issued["based_on"]
    origin.revision = origin.acknowledged = 0
    origin.send(origin.report(origin.counted_to) | {"epoch": 1, "based_on": None, "upto": 99}, note="still sealed")
    origin.issue_epoch("second-journal", origin.epoch)


def _report_solo(solo: Server, at_ms: int) -> None:
    night = ("music", "night")
    if at_ms == minute(23, 20):
        lost, partial = minute(23, 12), minute(23, 14)
        solo.send(
            solo.report(
                at_ms,
                spans=lambda self: [
                    self.span(at_ms - INTERVAL_MS, lost),
                    self.span(lost, partial, "lost", "the server restarted"),
                    self.span(partial, partial + 2 * MINUTE, "partial", "the log is gone"),
                    self.span(partial + 2 * MINUTE, at_ms),
                ],
            )
        )
    elif at_ms == minute(0, 10):
        taken_back = solo.slots(minute(23, 40), minute(23, 41))
        taken_back[0] |= {"bytes_in": 1}
        solo.send(solo.report(at_ms, slots=[slot | {"revision": solo.revision} for slot in taken_back]), note="held")
        solo.revision -= 1
    elif at_ms < minute(0, 10):
        solo.send(
            solo.report(
                at_ms,
                sessions=[
                    solo.session("solo-pub", *night, BEGIN + 7_000, total=at_ms // MINUTE % 1000),
                    solo.session("slash", "music", "a/b %2F", BEGIN + 9_000, live=at_ms < minute(23, 0)),
                ],
                samples=solo.samples(*night, at_ms - INTERVAL_MS, at_ms),
            )
        )


def _bring_back(edge: Server) -> None:
    """Let the edge deliver what it counted while it was cut off; its UTC day was closed without it."""
    began = minute(23, 12)
    phases = [("retrying", began), ("accumulating", began + MINUTE), ("recovering", minute(0, 20))]
    outage = {
        "began_at": began,
        "phases": [{"phase": phase, "at": at} for phase, at in phases],
        "failed_attempts": 21,
        "error": "connection refused",
        "left_out": 2,
    }
    keynote = ("live", "keynote")
    edge.send(
        edge.report(
            minute(0, 20),
            phase="recovering",
            sessions=lambda self: [
                self.session("edge-pub", *keynote, BEGIN + 12_000, total=90, highest=33),
                self.session("edge-only", "live", "late-night", minute(23, 40), live=False, active=0),
            ],
            samples=lambda self: self.samples(*keynote, minute(23, 10), minute(0, 20)),
            outages=lambda self: [outage | {"revision": self.revision}],
        )
    )
    ended = [*phases, ("online", minute(0, 20))]
    outage["phases"] = [{"phase": phase, "at": at} for phase, at in ended]
    edge.send(edge.report(minute(0, 20), outages=lambda self: [outage | {"revision": self.revision}]))


def _remove_servers(client: Client) -> None:
    for query in ("origin-1", "unknown-1", "spare-1?force=maybe", "spare-1?forced=true", "spare-1", "spare-1",
                  "spare-2?force=true", "spare-2", ""):  # fmt: skip
        client.send("DELETE", f"/api/v1/servers/{query}", token="admin")
    client.send("DELETE", "/api/v1/servers/origin-1", token="viewer")


def _close_day(client: Client) -> None:
    path = "/api/v1/days/close"
    for body in (
        {"day": "2026-03-15", "tz": "UTC"},
        {"day": "2026-03-14", "tz": "Asia/Tokyo"},
        {"day": "2026-03-14", "tz": "UTC", "server": "unknown-1"},
        {"day": "2026-03-10", "tz": "UTC"},
        {"day": "14 March"},
        {"day": "2026-03-14", "zone": "UTC"},
        {"day": "2026-03-14", "tz": "UTC", "server": "edge-1"},
        {"day": "2026-03-14", "tz": "UTC"},
        {"day": "2026-03-14", "tz": "UTC"},
    ):
        client.send("POST", path, token="admin", body=body)
    client.send("POST", path, token="viewer", body={"day": "2026-03-14", "tz": "UTC"})


def _delete(client: Client) -> None:
    slashed = f"{USAGE}/old/{quote('slash/ed name', safe='')}"
    client.send("DELETE", f"{slashed}?startTime={BEGIN - 30 * MINUTE}", token="viewer", note="may not")
    client.send("DELETE", f"{slashed}?starttime={BEGIN - 30 * MINUTE}", token="admin", note="misspelled")
    client.send("DELETE", f"{slashed}?startTime=", token="admin")
    client.send("DELETE", f"{slashed}?startTime=1&startTime=2", token="admin")
    client.send("DELETE", f"{slashed}?startTime=5", token="admin")
    client.send("DELETE", f"{slashed}?startTime={BEGIN - 30 * MINUTE}", token="admin")
    client.send("DELETE", f"{USAGE_31}/old/three", token="admin")
    client.send("DELETE", f"{USAGE_31}/old/three", token="admin")
    client.send("DELETE", f"{USAGE}/old/", token="admin")
    client.send("DELETE", f"{USAGE}//", token="admin")
    client.send("DELETE", f"{USAGE}/late/show", token="admin")


def request(client: Client, when: str) -> str:
    """Read everything, as it stands now. Returns the newest cursor."""
    window = f"from={BEGIN}&to={END}"
    days = "from=2026-03-14&to=2026-03-15"
    for path in (
        USAGE,
        USAGE_31,
        f"{USAGE}/live/keynote",
        f"{USAGE}/music/a%2Fb%20%252F",
        f"{USAGE_31}/{quote('événement/día')}/top",
        f"{USAGE}/old/nothing",
        "/api/v1/servers",
        f"/api/v1/coverage?{window}",
        f"/api/v1/coverage?from={minute(23, 13)}&to={LATER}&server=edge-1",
        f"/api/v1/carriers?{window}",
        f"/api/v1/carriers?{window}&server=edge-1",
        f"/api/v1/daily?{days}&tz=UTC",
        f"/api/v1/daily?{days}&tz=Europe/Berlin&server=solo-1",
        f"/api/v1/daily?{days}&tz=Asia/Kathmandu",
        *(f"/api/v1/daily/sums?{days}&tz=UTC&by={by}&group={group}"
          for by in ("day", "month") for group in ("server", "role", "all")),
        f"/api/v1/daily/sums?{days}&tz=Europe/Berlin&by=month&group=all&server=edge-1",
        f"/api/v1/adjustments?{days}&tz=UTC",
        f"/api/v1/adjustments?{days}&tz=Europe/Berlin&server=late-1",
        f"/api/v1/streams/live/keynote/history?{window}&step={10 * MINUTE}",
        f"/api/v1/streams/music/night/history?{window}",
        f"/api/v1/streams/music/a%2Fb%20%252F/history?{window}&step={30 * MINUTE}",
        f"/api/v1/streams/old/nothing/history?{window}&step={30 * MINUTE}",
        f"/api/v1/trends?{window}&step={5 * MINUTE}",
        f"/api/v1/trends?from={BEGIN + 90_001}&to={END}",
        "/api/v1/orphans",
        f"/api/v1/orphans?from={BEGIN}&to={LATER + 1}&limit=1",
        "/healthz",
        "/readyz",
    ):  # fmt: skip
        client.get(path, note=when)
    client.get("/streammanager/api/4.0/event/list/stats", token="", note=when)
    client.get("/streammanager/api/3.1/event/list/stats", token="", note=when)
    for query in ("", "?limit=2", f"?from={minute(0, 10)}&to={minute(0, 11)}"):
        client.get(f"/api/v1/audit{query}", token="admin", note=when)
    client.get("/metrics", normalise=metrics_shape, note=when)
    _ask_for_encodings(client, when)
    return _ask_for_changes(client, when)


def _ask_for_changes(client: Client, when: str) -> str:
    """Read all changes at once, and again page by page. Returns the newest cursor."""
    whole = client.get("/api/v1/changes", note=when).json
    client.get(f"/api/v1/changes?cursor={whole['cursor']}", shown="/api/v1/changes?cursor=NEWEST", note=when)
    client.get("/api/v1/changes?cursor=0123456789abcdef.1.0", note=when)
    cursor, page = "", 0
    while True:
        page += 1
        shown = f"/api/v1/changes?limit=3 page {page}"
        query = f"limit=3&cursor={cursor}" if cursor else "limit=3"
        answer = client.get(f"/api/v1/changes?{query}", shown=shown, note=when).json
        cursor = answer["cursor"]
        if not answer["more"]:
            return str(whole["cursor"])


def _ask_for_encodings(client: Client, when: str) -> None:
    tag = client.get(USAGE, headers={"Accept-Encoding": "gzip"}, note=f"{when}, gzip").headers["etag"]
    client.get(USAGE, headers={"Accept-Encoding": "gzip, zstd"}, note=f"{when}, zstd")
    client.get(USAGE, headers={"Accept-Encoding": "zstd;q=0, gzip"}, note=f"{when}, gzip for want of zstd")
    client.get(USAGE, headers={"If-None-Match": f'"other", {tag}'}, note=f"{when}, unchanged")
    client.get(USAGE, headers={"If-None-Match": 'W/"other"'}, note=f"{when}, changed")
    client.get("/api/v1/changes", headers={"Accept-Encoding": "gzip"}, note=f"{when}, gzip")


def ask_wrongly(client: Client) -> None:
    """Make the usual mistakes. Reads what the service documents of itself, too."""
    client.get("/openapi.json", token="", normalise=openapi_shape)
    for token in ("", "wrong", "edge-1"):
        for path in (USAGE, f"{USAGE_31}/live/keynote", "/api/v1/servers", "/api/v1/changes", "/metrics"):
            client.get(path, token=token)
    for path in ("/api/v1/audit",):
        client.get(path, token="viewer")
    client.send("POST", "/api/v1/import", token="viewer", body=[])
    for path in (
        "/", "/api", "/api/v1/", "/api/v1/unknown", "/api/v1/servers/", "/streammanager/api/5.0/admin/event/usage",
        f"{USAGE}/", f"{USAGE}/live", f"{USAGE}/live/", f"{USAGE}//keynote", f"{USAGE}/%ff/x",
        f"{USAGE}%2Flive/keynote",
        "/api/v1/changes?limit=0", "/api/v1/changes?limit=10001", "/api/v1/changes?limit=many",
        "/api/v1/changes?cursor=nonsense", "/api/v1/coverage", "/api/v1/coverage?from=1",
        "/api/v1/coverage?from=2&to=1", "/api/v1/coverage?from=1&to=x", "/api/v1/carriers?from=2&to=1",
        "/api/v1/daily", "/api/v1/daily?from=1&to=2",
        "/api/v1/daily?from=2026-03-15&to=2026-03-14", "/api/v1/daily?from=2020-03-15&to=2026-03-14",
        "/api/v1/daily?from=2026-03-14&to=2026-03-14&tz=Nowhere/Land",
        "/api/v1/daily/sums?from=2026-03-14&to=2026-03-14&by=year", "/api/v1/adjustments?from=2026-03-14",
        "/api/v1/daily/sums?from=2026-03-14&to=2026-03-14&group=zone",
        "/api/v1/streams/live/keynote/history", "/api/v1/streams/live/keynote/history?from=1&to=2&step=7",
        f"/api/v1/streams/live/keynote/history?from=0&to={LATER}", "/api/v1/streams/keynote/history?from=1&to=2",
        f"/api/v1/trends?from=0&to={LATER}", "/api/v1/trends", "/api/v1/trends?from=1&to=2&step=0",
        "/api/v1/orphans?limit=0", "/api/v1/orphans?from=x", "/api/v1/agents/edge-1/reports",
    ):  # fmt: skip
        client.get(path)
    for method, path in (
        ("PUT", "/api/v1/servers"), ("POST", "/api/v1/changes"), ("POST", USAGE), ("PATCH", f"{USAGE}/live/keynote"),
        ("DELETE", "/api/v1/audit"), ("POST", "/healthz"), ("HEAD", "/api/v1/servers"), ("OPTIONS", USAGE),
        ("GET", "/api/v1/import"), ("GET", "/api/v1/days/close"), ("DELETE", f"{USAGE}?startTime=5"),
    ):  # fmt: skip
        client.send(method, path, token="admin")
    for body in (b"", b"nonsense", b"{}", b'[{"name": "x"}]', b"[1]", b'[{"a": 1},'):
        client.send("POST", "/api/v1/import", token="admin", body=body, note=repr(body))
    broken = record("a/../b", "", BEGIN)
    client.send("POST", "/api/v1/import", token="admin", body=[broken])
    client.send("POST", "/api/v1/import", token="admin", body=[record("x", "y", BEGIN, maxSubscribers=2**60)])
    client.send("POST", "/api/v1/import", token="admin", body=[record("/x/", "y", BEGIN)])


def _closed_to(client: Client, tz: str) -> int | None:
    return client.read_json(f"/api/v1/daily?from=2026-03-14&to=2026-03-14&tz={tz}")["closed_to"]


def _owes(client: Client, scope: str, name: str, provenance: str) -> bool:
    records = client.read_json("/api/v1/changes")["records"]
    return any((each["scope"], each["name"], each["provenance"]) == (scope, name, provenance) for each in records)


def _has_late_days(client: Client) -> bool:
    days = [
        day
        for tz in ("UTC", "Europe/Berlin")
        for day in client.read_json(f"/api/v1/daily?from=2026-03-14&to=2026-03-14&tz={tz}&server=late-1")["days"]
    ]
    return len(days) == 2 and all(day["closed"] and day["adjustment"] for day in days)


def _is_silent(client: Client) -> bool:
    servers = client.read_json("/api/v1/servers")["servers"]
    records = client.read_json("/api/v1/changes")["records"]
    return all(not server["active_subscribers"] for server in servers) and all(
        record["provenance"] != "live" for record in records if record["live"]
    )
