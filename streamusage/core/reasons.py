"""Reasons of coverage: why an interval of a server is partial, lost or held. Each text is declared once, here. Pure.

Journals, stores and agents of earlier versions carry earlier texts. `canonical_reason` maps these to the present
texts, so that two spans of one cause merge whichever version wrote them. When a text changes, the text that it
replaces is added to `FORMER`; an entry is never removed, because stores keep spans for years.
"""

import re

RESTARTED = "the media server restarted: its activity after the last reading is missing from its counters"
OLD_WORKER_SERVES = (
    "the media server was reloaded or upgraded, and its earlier worker still serves connections that no page shows: "
    "their bytes and view time follow with their log lines"
)
WORKER_REPLACED = "the media server replaced its worker process between two readings"
LINES_UNDATED = (
    "log lines were written while nobody observed the machine's clock: bytes of an earlier run of the media server may "
    "be missing"
)
IDS_BEGAN_AGAIN = (
    "the media server restarted or was upgraded, and its connection ids began again: bytes of log lines that may be of "
    "either run are not counted"
)
ID_USED_AGAIN = (
    "the media server restarted and used the id of a viewer again: who joined in this time may count as the viewer "
    "before the restart"
)
NO_READING = "no reading was available: viewers who joined and left in this time are unknown"
CLOCK_SET_FORWARD = "the agent's clock was set forward: this time did not pass on the media server"
TIME_UNKNOWN = (
    "the agent's machine restarted without knowing the time of day: units of this time are complete, when exactly they "
    "were counted is unknown"
)
LENGTH_UNKNOWN = (
    "the agent's machine restarted: how long it was off is unknown, and so is the view time of viewers who are known "
    "as a number only"
)
LOG_GONE = "the log of this time no longer exists: sessions that ended in it are known by the counters only"

COUNTER_FELL = "a byte counter of the media server fell without a restart: bytes of this time are a lower bound"
COUNTER_INVALID = (
    "a figure of the media server is no count (negative, or above 2^53): it is not used; what it counts continues once "
    "it is valid again"
)

LINES_LOST = "log lines were lost by rotation or truncation: the sessions in them are unknown"
LINES_UNREADABLE = "log lines cannot be read: the connections in them are unknown"
LOG_NOT_UNDERSTOOD = (
    "no line of the log can be read: viewers who joined and left between two readings are known by the counters only"
)
LOG_NOT_OPENED = (
    "the log cannot be opened: viewers who joined and left between two readings are known by the counters only"
)
COUNTER_DISAGREES = "counter disagrees with log"
_DISAGREEMENT = re.compile(
    COUNTER_DISAGREES
    + r": by the server's count ([0-9][0-9,]{0,19}) viewers left, the log has ([0-9][0-9,]{0,19}) of them"
)
CALLBACKS_LOST = (
    "callbacks were lost while the agent was not listening: viewers who joined and left in this time are unknown"
)
HLS_LOG_GONE = "the access log no longer exists: requests that are missing from it are not counted"
HLS_LOG_NOT_UNDERSTOOD = "no line of the access log can be read: the requests of this time are not counted"
HLS_LOG_NOT_OPENED = "the access log cannot be opened: the requests of this time are not counted yet"
HLS_INFERRED = (
    "inferred, lower bound: the log has no session ids, so viewers with the same address and player may count as one; "
    "traffic is exact"
)
NGINX_NO_LOG = "no access log: viewers who joined and left between two readings are known by their bytes only"
ICECAST_NO_LOG = (
    "no access log: only the number of listeners who joined and left between two readings is known, "
    "and up to 5 seconds of traffic are missing for each source that disconnected"
)
ICECAST_SOURCE_LEFT = "a source disconnected: up to 5 seconds of traffic since its last counter update are unknown"
MEDIAMTX_POLLING = (
    "polling only: traffic of a connection after its last reading, and viewers who joined and left between two "
    "readings, are unknown"
)
MEDIAMTX_CDN = (
    MEDIAMTX_POLLING + "; a CDN fetches HLS streams: it counts as one viewer, whatever the number of viewers behind it"
)
NODE_NO_CALLBACKS = (
    "no callbacks: only the number of viewers of a stream is known, and viewers who joined and left between two "
    "readings are not counted"
)
RED5PRO_NUMBERS = (
    "the server reports numbers of subscribers only: view time is the lower number of two readings; outgoing traffic "
    "is not reported and not counted"
)
POLLING_ONLY = "polling only: viewers who joined and left between two readings are known by their bytes only"
SRS_LIST_INVALID = (
    "a stream's name makes the list of clients invalid JSON: viewers of this time are unknown until that stream has "
    "ended, and those who stay continue then; bytes are counted"
)
SRS_NAME_REPAIRED = (
    "polling only, and a stream's name makes the list of clients invalid JSON: bytes of that name that are no text are "
    "shown as %XX; viewers who joined and left between two readings are known by their bytes only"
)
SRS_LIST_SHORT = (
    "this version of SRS lists ten clients only, and has more: viewers are a lower bound; bytes are counted"
)
SRS_NO_BYTES = "polling only, and this version of SRS reports no bytes: no traffic is counted"
STREAM_MANAGER_NUMBERS = (
    "the Stream Manager reports numbers of subscribers only: connections are the increases of the number, view time "
    "is the lower number of two readings; traffic is not reported and not counted"
)
WOWZA_NUMBERS = (
    "the server reports numbers of viewers only: view time is the lower number of two readings, and bytes of an "
    "unloaded application after its last reading are unknown"
)
WOWZA_RISES = (
    WOWZA_NUMBERS
    + "; connections are the increases of these numbers, a lower bound: set connection_counts_url for the exact sum"
)

SOURCE_UNREAD = "the agent cannot read the media server"
NEVER_READ = "the agent could not read the media server: its activity before the first reading is unknown"

REPORT_HELD = "a report was quarantined"
FILED_AHEAD = (
    "the clock was wrong: figures of this time are filed in the future; `streamtop servers repair` moves them back"
)
FILED_BY_REPAIR = "the clock was wrong: figures of this time were filed in the future and moved here by a repair"
CLOCK_REFUSED = "reports are refused: they cover time after the service's trusted time; check the clocks"

UNITS_COMPLETE = frozenset({TIME_UNKNOWN, CLOCK_SET_FORWARD})
"""Reasons of time that is `partial` although no unit of it is missing."""

_BYTES_COMPLETE = frozenset(
    {NGINX_NO_LOG, POLLING_ONLY, SRS_NAME_REPAIRED, SRS_LIST_SHORT, LOG_NOT_UNDERSTOOD, LOG_NOT_OPENED, HLS_INFERRED}
)

_POLLED = "polled only: what a {} moved after its last reading, and viewers who came and went between two readings, "
_WOWZA = (
    "viewers are told as numbers only: view time is what was there at both of two readings, "
    "and bytes moved after the last reading of an application that was unloaded are not known"
)

FORMER = {
    "the media server restarted: what it did after the last reading is not in its counters": RESTARTED,
    "the media server's worker was replaced between two readings": WORKER_REPLACED,
    "no reading was had: viewers who came and went in between are unknown": NO_READING,
    "the log of that time is gone: sessions that ended in it are known by the counters only": LOG_GONE,
    "lines of the log were lost, by rotation or truncation: sessions that they told of are not known": LINES_LOST,
    "callbacks were lost while the agent did not listen: viewers who came and went meanwhile are unknown": (
        CALLBACKS_LOST
    ),
    "the access log is gone: requests that are not in it cannot be counted": HLS_LOG_GONE,
    "no access log: viewers who came and went between two readings are known by their bytes only": NGINX_NO_LOG,
    (
        "no access log: of listeners who came and went between two readings only the number is known, "
        "and up to 5 seconds of traffic are missing where a source left"
    ): ICECAST_NO_LOG,
    "a source left: what it had sent since the counters moved last, up to 5 seconds of it, is not known": (
        ICECAST_SOURCE_LEFT
    ),
    _POLLED.format("connection") + "are not known": MEDIAMTX_POLLING,
    _POLLED.format("client") + "are not known": MEDIAMTX_POLLING,
    _POLLED.format("client")
    + "are not known; this version of SRS tells no bytes of clients, so no traffic is counted": SRS_NO_BYTES,
    "no callbacks: only the number of a stream's viewers is known, those who came and went between two readings are "
    "not": NODE_NO_CALLBACKS,
    (
        "subscribers are told as numbers only: view time is what was there at both of two readings; "
        "outgoing traffic is not told and not counted"
    ): RED5PRO_NUMBERS,
    "polled only: viewers who came and went between two readings are known by their bytes only": POLLING_ONLY,
    "polled only, and this version of SRS tells no bytes, so no traffic is counted": SRS_NO_BYTES,
    (
        "subscribers are told as numbers only: connections are the rises of the number, view time what was there at "
        "both of two readings; traffic is not told and not counted"
    ): STREAM_MANAGER_NUMBERS,
    _WOWZA: WOWZA_NUMBERS,
    _WOWZA
    + "; connections are the rises of those numbers, a lower bound: give connection_counts_url for the exact sum": (
        WOWZA_RISES
    ),
    "a report was kept aside": REPORT_HELD,
}
"""Present text by the text that an earlier version wrote for the same cause."""


def counter_disagrees(left: int, explained: int) -> str:
    """Return the reason of a log that lacks viewers: how many left by the server's count, and how many by the log."""
    return f"{COUNTER_DISAGREES}: by the server's count {left:,} viewers left, the log has {explained:,} of them"


def parse_counter_disagreement(reason: str) -> tuple[int, int] | None:
    """Return the two numbers of `counter_disagrees`; `None` for any other reason."""
    found = _DISAGREEMENT.fullmatch(reason)
    return None if found is None else (_number(found[1]), _number(found[2]))


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def are_bytes_complete(reason: str) -> bool:
    """Return whether `partial` time of this reason lacks viewers only: its bytes are the server's own counters."""
    return reason in _BYTES_COMPLETE or parse_counter_disagreement(reason) is not None


def canonical_reason(text: str) -> str:
    """Return the present text of a reason. A text that this version does not know is returned as it is.

    Whole texts are compared: none that was replaced had a parameter.
    """
    return FORMER.get(text, text)
