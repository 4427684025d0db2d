"""What an agent and the service say to each other. Both sides share these types and nothing else.

A report replicates *state*, not events: rows with totals, each with the revision of its last change. It carries
every row changed in `(since, upto]`, so it may be lost, doubled or come late and nothing is counted twice. It always
ends at a reading, and carries the counters of that reading (`Baseline`) together with the rows that hold its units:
both are applied in one transaction or not at all. Applying part of them would count the rest twice after a journal is
destroyed, so a report is never cut.

Counts, bytes and milliseconds are whole numbers; times are UTC milliseconds.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Role = Literal["origin", "edge", "standalone"]

Count = Annotated[int, Meta(ge=0, le=2**53)]
"""What is counted. Bounded to what a JSON number holds exactly."""

Millis = Annotated[int, Meta(ge=0, le=2**53)]
Name = Annotated[str, Meta(min_length=1, max_length=4096)]
Label = Annotated[str, Meta(min_length=1, max_length=64)]


class Peak(msgspec.Struct, frozen=True):
    """The largest bandwidth seen over one window. Peaks of one server merge by `larger`, never by adding."""

    bps: Count
    at: Millis
    """When the window ended."""
    window_ms: Millis
    """How long the window was: the same bytes in a shorter window make a higher peak."""


def larger(one: Peak | None, other: Peak | None) -> Peak | None:
    """The higher of two peaks; of equal ones the earlier."""
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda peak: (-peak.bps, peak.at, peak.window_ms))


class SlotRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one server did in one slot, as far as this epoch counted it. Rows of several epochs add up."""

    slot: Millis
    revision: Count
    connections: dict[Label, Count] = {}
    """Viewer connections by protocol, each in the slot in which it started."""
    bytes_in: Count = 0
    bytes_out: Count = 0
    view_time_ms: Count = 0
    peak_in: Peak | None = None
    peak_out: Peak | None = None


class SpanRow(msgspec.Struct, frozen=True, kw_only=True):
    """An interval of the server and how the agent can account for it. The spans of a server follow on each other."""

    from_ms: Millis
    to_ms: Millis
    revision: Count
    state: Literal["counted", "partial", "lost"]
    reason: Annotated[str, Meta(max_length=512)] = ""
    """Why it is not counted in full; empty where it is."""


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One publish as one server saw it."""

    publish_id: Label
    """The server's own name for this publish: the same one whoever counts it, whatever the start time came to."""
    revision: Count
    scope: Name
    name: Name
    start_time: Millis
    end_time: Millis
    """When it ended; while it is live, when it was last seen."""
    live: bool
    active: Count
    """Subscribers at the newest reading."""
    highest: Count
    """The most subscribers at one reading: a lower bound, since between readings nobody looks."""
    total: Count
    """Subscribers that joined in this epoch. Totals of several epochs add up."""


class SampleRow(msgspec.Struct, frozen=True, kw_only=True):
    """Subscribers of one stream on one server in one slot: what a trend is drawn from."""

    slot: Millis
    scope: Name
    name: Name
    revision: Count
    active: Count
    """Subscribers at the last reading of the slot."""
    highest: Count


class ViewerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A viewer connection that is already counted, so that an agent with a new journal does not count it again."""

    viewer_id: Label
    revision: Count
    open: bool
    """A closed one is forgotten by the service."""
    scope: Name
    name: Name
    protocol: Label
    started_at: Millis
    publish_id: str = ""
    """The session whose subscriber it is counted as; empty for none."""
    counted_to: Millis | None = None
    """`None` while it is seen: counted up to the newest reading. Else the reading that saw it last."""


class RetiredBoot(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier life of the media server whose log may still bring sessions (a worker that drains after a reload)."""

    boot: Label
    started_at: Millis
    bytes_in: Count
    """What is counted of it so far."""
    bytes_out: Count
    logged_in: Count
    """What the log lines of its sessions add up to so far."""
    logged_out: Count


class OpenPublish(msgspec.Struct, frozen=True, kw_only=True):
    """A publish that was live at the baseline."""

    publish_id: Label
    scope: Name
    name: Name
    start_time: Millis
    highest: Count


class PeakWindow(msgspec.Struct, frozen=True):
    """Where the window that is being measured for a peak began."""

    at: Millis
    bytes_in: Count
    bytes_out: Count


class OpenCounter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A byte counter that lives shorter than the server's boot: a connection's, or a mount's."""

    key: Label
    bytes_in: Count
    """What it showed last."""
    bytes_out: Count
    ahead_in: Count = 0
    """How much more than that is counted of it, because the log told of it first."""
    ahead_out: Count = 0
    logged_in: Count = 0
    """What log lines of its connections add up to so far."""
    logged_out: Count = 0
    gone_at: Millis | None = None
    """The reading that did not show it any more."""


class OpenAudience(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A number of viewers that a server shows without telling them apart, as it stood at the baseline."""

    key: Label
    viewers: Count
    joined: Count | None = None
    """How many came since the number began to be kept, where the server counts them."""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The cumulative counters at the reading up to which everything is in the rows."""

    at: Millis
    boot: Label
    """The media server's boot identity: counters compare only within one."""
    started_at: Millis
    since: Millis
    """When the accounting of this server began; what is older is not ours."""
    bytes_in: Count
    bytes_out: Count
    window: PeakWindow
    run: str = ""
    """In which life of the machine the reading was taken, and its clock that never steps: what time really passed."""
    elapsed_ms: int = 0
    publishes: tuple[OpenPublish, ...] = ()
    logged_in: Count = 0
    """What the log lines of this boot's sessions add up to: needed once the boot is over."""
    logged_out: Count = 0
    cursor: str = ""
    """How far the server's log is read; opaque but to the source."""
    retired: tuple[RetiredBoot, ...] = ()
    counters: tuple[OpenCounter, ...] = ()
    moved_in: Count = 0
    """What was counted by `counters` so far: together with the bytes above it never falls within a boot."""
    moved_out: Count = 0
    audiences: tuple[OpenAudience, ...] = ()
    accepted: Count | None = None
    """The server's own count of viewer connections, where it has one."""
    accounted: Count = 0
    """How much of `accepted` is counted."""


class Based(msgspec.Struct, frozen=True):
    """The state of the service that a new epoch continues from."""

    epoch: Count
    revision: Count


AgentPhase = Literal["online", "retrying", "accumulating", "recovering"]


class PhaseChange(msgspec.Struct, frozen=True):
    """When the agent came into a phase."""

    phase: AgentPhase
    at: Millis


class OutageRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which the agent's sync-ups failed, as the agent itself went through it.

    The report that ends it says `recovering`, the one after that also when the agent was `online` again.
    """

    began_at: Millis
    """When the first sync-up failed."""
    revision: Count
    phases: Annotated[tuple[PhaseChange, ...], Meta(min_length=1)]
    """Oldest first. `retrying` after `accumulating`: the agent was started anew in between."""
    failed_attempts: Count
    error: Annotated[str, Meta(max_length=512)] = ""
    """What the last of them failed of, in the agent's words."""
    left_out: Count = 0
    """How many phases between the first and the rest are not told: an agent that starts over and over has many."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One sync-up: all that changed since the revision which the service acknowledged."""

    server: Label
    role: Role
    life: Label
    """Which journal speaks, and on which state of the service it was put: `journal.N`. After a service is restored
    the same epoch number may come up twice; the same life never does."""
    epoch: Count
    since: Count
    upto: Count
    sent_at: Millis
    sync_interval_ms: Annotated[int, Meta(ge=1, le=86_400_000)]
    baseline: Baseline
    phase: AgentPhase = "online"
    based_on: Based | None = None
    """Given until the epoch's first acknowledgement: the state it was issued on. Activates the epoch."""
    slots: tuple[SlotRow, ...] = ()
    spans: tuple[SpanRow, ...] = ()
    sessions: tuple[SessionRow, ...] = ()
    samples: tuple[SampleRow, ...] = ()
    viewers: tuple[ViewerRow, ...] = ()
    outages: tuple[OutageRow, ...] = ()


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the service has of an epoch, after a commit."""

    epoch: Count
    acknowledged: Count
    now: Millis
    """The service's clock, for the agent to correct its own by."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a report was not applied. The first two fields are the documented error shape."""

    errorMessage: str
    timestamp: Millis
    reason: Literal["hole", "sealed", "stale", "held"]
    """`hole`: it speaks since more than the service has. `sealed`: another life is active. `stale`: the new epoch
    continues from a state that is no longer the newest. `held`: it was kept aside for an operator."""
    epoch: Count
    acknowledged: Count


class EpochRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for an epoch for a journal, or, after a service was restored, for a newer state to continue from."""

    journal: Label
    epoch: Count = 0
    """The epoch that the journal already has; 0 for none. It is kept where the service can keep it."""


class EpochIssued(msgspec.Struct, frozen=True, kw_only=True):
    """A new epoch's number and the state to continue from. Has no effect until the first report activates it."""

    epoch: Count
    based_on: Based
    now: Millis
    life: str = ""
    """The life that is active now; empty for a server that never reported."""
    baseline: Baseline | None = None
    """`None` for a server that never reported."""
    viewers: tuple[ViewerRow, ...] = ()
    """The viewer connections that were open at the baseline."""
