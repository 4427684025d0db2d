"""Messages between an agent and the service. Both sides share these types and nothing else.

A report replicates *state*, not events: rows with totals, each with the revision of its last change. It carries
every row changed in `(since, upto]`, so that a lost, repeated or late report counts nothing twice. It always ends at a
reading, and carries the counters of that reading (`Baseline`) together with the rows that contain its units: both are
applied in one transaction or not at all. After the loss of a journal, a partly applied report would count the rest
twice; therefore a report is never split.

Counts, bytes and milliseconds are whole numbers; times are UTC milliseconds.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from streamusage.core.figures import Count, MinuteBytes, MinuteMillis, SlotSums, StreamTraffic, peak_rank

Role = Literal["origin", "edge", "standalone"]

ClockState = Literal["trusted", "doubtful"]
"""Whether the service trusts its own clock. No agent corrects its clock by a doubtful one."""

Millis = Annotated[int, Meta(ge=0, le=2**53)]

Audience = Annotated[int, Meta(ge=0, le=2**32)]
"""Viewers of one session or sample, or connections of one slot."""
Name = Annotated[str, Meta(min_length=1, max_length=4096)]
Label = Annotated[str, Meta(min_length=1, max_length=64)]


REPAIRED_LIFE = ".repaired"
"""Suffix of a life that a repair at the service ended. The journal that had this life has wrong times: it begins anew
from the repaired baseline, as a new journal does, and sends none of its rows again."""


class MachineClock(msgspec.Struct, frozen=True):
    """The wall clock of an agent's machine as it is, without the agent's correction.

    Clocks of several machines that agree with each other show whose clock is wrong.
    """

    boot: Annotated[str, Meta(min_length=1, max_length=64)]
    """Boot id of the machine. Several agents of one machine are one witness."""
    at: Millis
    """Wall time of the machine when the message was made."""


class Peak(msgspec.Struct, frozen=True):
    """Highest bandwidth over one window. Peaks of one server merge by `higher_peak`, never by addition."""

    bps: Count
    at: Millis
    """When the window ended."""
    window_ms: Millis
    """Length of the window: the same bytes in a shorter window make a higher peak."""


def higher_peak(first: Peak | None, second: Peak | None) -> Peak | None:
    """Return the higher of two peaks; of equal peaks the earlier."""
    if first is None or second is None:
        return first or second
    return min(first, second, key=lambda peak: peak_rank(peak.bps, peak.at, peak.window_ms))


class SlotRow(SlotSums[MinuteBytes, MinuteMillis], frozen=True, kw_only=True):  # type: ignore[misc]
    """Figures of one server in one slot, as counted in this epoch. Rows of several epochs add up."""

    slot: Millis
    revision: Count
    connections: dict[Label, Audience] = msgspec.field(default_factory=dict)
    """Viewer connections by protocol, each counted in the slot in which it started."""
    peak_in: Peak | None = None
    peak_out: Peak | None = None


class SpanRow(msgspec.Struct, frozen=True, kw_only=True):
    """An interval of a server and how the agent accounts for it. The spans of a server are contiguous."""

    from_ms: Millis
    to_ms: Millis
    revision: Count
    state: Literal["counted", "partial", "lost"]
    reason: Annotated[str, Meta(max_length=512)] = ""
    """Why the interval is not counted in full (`core.reasons`); empty where it is."""


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One publish on one server."""

    publish_id: Label
    """The server's own id of this publish. It does not depend on which journal counts it, nor on the start time."""
    revision: Count
    scope: Name
    name: Name
    start_time: Millis
    end_time: Millis
    """When it ended; for a live publish, the newest reading."""
    live: bool
    active: Audience
    """Subscribers at the newest reading."""
    highest: Audience
    """Most subscribers at one reading: a lower bound, because there is no sample between two readings."""
    total: Audience
    """Subscribers that joined in this epoch. Totals of several epochs add up."""


class SampleRow(msgspec.Struct, frozen=True, kw_only=True):
    """Subscribers of one stream on one server in one slot, the data of trends."""

    slot: Millis
    scope: Name
    name: Name
    revision: Count
    active: Audience
    """Subscribers at the last reading of the slot."""
    highest: Audience


class StreamSlotRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Part of one stream in a slot, as counted in this epoch. What the streams leave of the slot is not by stream.

    A report has the rows of all streams of a slot or of none, all with one revision, and the slot with them.
    """

    slot: Millis
    scope: Name
    name: Name
    revision: Count
    connections: Audience = 0
    bytes_in: MinuteBytes = 0
    bytes_out: MinuteBytes = 0
    view_time_ms: MinuteMillis = 0
    traffic: StreamTraffic = "measured"
    """How its bytes are known."""


class ViewerRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A viewer connection that is already counted, so that an agent with a new journal does not count it again."""

    viewer_id: Label
    revision: Count
    open: bool
    """The service deletes a closed connection."""
    scope: Name
    name: Name
    protocol: Label
    started_at: Millis
    publish_id: str = ""
    """The session that counts it as a subscriber; empty for none."""
    counted_to: Millis | None = None
    """The last reading that showed it; `None` while readings show it, when it is counted up to the newest one."""
    is_acknowledged: bool = False
    """In a journal only: whether the service has an earlier form of the row, so that the agent must report its end."""


class RetiredBoot(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier boot of the media server whose log may still grow (a worker that drains after a reload)."""

    boot: Label
    started_at: Millis
    bytes_in: Count
    """Bytes that are counted for it so far."""
    bytes_out: Count
    logged_in: Count
    """Sum of the log lines of its sessions so far."""
    logged_out: Count
    retired_at: Millis | None = None
    """The last reading that showed it. `None` in the state of an earlier version."""

    def move(self, move_ms: Callable[[int], int]) -> "RetiredBoot":
        """Return it with its times moved."""
        retired_at = None if self.retired_at is None else move_ms(self.retired_at)
        return msgspec.structs.replace(self, started_at=move_ms(self.started_at), retired_at=retired_at)


class OpenPublish(msgspec.Struct, frozen=True, kw_only=True):
    """A publish that was live at the baseline."""

    publish_id: Label
    scope: Name
    name: Name
    start_time: Millis
    highest: Count
    counted_to: Millis | None = None
    """As `ViewerRow.counted_to`: set while an earlier boot of the server serves it, which no page shows."""

    def move(self, move_ms: Callable[[int], int]) -> "OpenPublish":
        """Return it with its times moved."""
        counted_to = None if self.counted_to is None else move_ms(self.counted_to)
        return msgspec.structs.replace(self, start_time=move_ms(self.start_time), counted_to=counted_to)


class PeakWindow(msgspec.Struct, frozen=True):
    """Start of the window over which a peak is being measured, with the counters at that time."""

    at: Millis
    bytes_in: Count
    bytes_out: Count


class OpenCounter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A byte counter with a shorter life than the server's boot, such as that of a connection or a mount."""

    key: Label
    bytes_in: Count
    """Its last value."""
    bytes_out: Count
    ahead_in: Count = 0
    """Bytes counted beyond that value, because the log reported them before the counter did."""
    ahead_out: Count = 0
    logged_in: Count = 0
    """Sum of the log lines of its connections so far."""
    logged_out: Count = 0
    gone_at: Millis | None = None
    """The first reading that no longer showed it."""
    fell_in: Count = 0
    """The value before it fell to less than half, in case the lower one proves to be a fault of the server."""
    fell_out: Count = 0
    unknown_in: bool = False
    """Whether no reading had a valid value yet: the first one is where counting starts."""
    unknown_out: bool = False
    is_first: bool = False
    """Whether the first reading of a journal showed it that has not reached the service yet: an earlier journal may
    know more log lines of it.
    """


class OpenStreamCounter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A stream's own byte counter, as the server showed it at the baseline: its rise decides how bytes are dealt."""

    scope: Name
    name: Name
    bytes_in: Count
    bytes_out: Count


class OpenAudience(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A number of viewers without identities, as the server showed it at the baseline."""

    key: Label
    viewers: Count
    joined: Count | None = None
    """How many viewers joined since the key appeared, where the server counts them."""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The cumulative counters at the reading up to which the rows are complete."""

    at: Millis
    boot: Label
    """Identity of the media server's boot: counters are comparable only within one boot."""
    started_at: Millis
    since: Millis
    """When the accounting of this server began, by the clock of this reading; earlier activity is not counted."""
    bytes_in: Count
    bytes_out: Count
    window: PeakWindow
    run: str = ""
    """Boot id of the machine at the reading. Together with `elapsed_ms`, its clock that never steps, it gives the time
    that really passed."""
    elapsed_ms: int = 0
    offset_ms: int | None = None
    """Wall time minus `elapsed_ms`, by which this reading and the remembered starts are dated. It is not derived from
    `at`, which never falls: after a backward correction `at` is later than the reading. `None` in the state of an
    earlier version: `at` minus `elapsed_ms` then."""
    machine_offset_ms: int | None = None
    """The wall time of the machine minus `elapsed_ms`: dates the log lines after this reading."""
    uptime_ms: Millis | None = None
    """The media server's uptime at the reading, where it reports one."""
    age_slack_ms: Millis | None = None
    """How late the page of the reading was answered. `None` in the state of an earlier version."""
    publishes: tuple[OpenPublish, ...] = ()
    logged_in: Count = 0
    """Sum of the log lines of this boot's sessions: needed after the boot has ended."""
    logged_out: Count = 0
    cursor: str = ""
    """Position up to which the server's log is read; only the source interprets it."""
    retired: tuple[RetiredBoot, ...] = ()
    counters: tuple[OpenCounter, ...] = ()
    moved_in: Count = 0
    """Bytes counted through `counters` so far: the sum with `bytes_in` or `bytes_out` never falls within a boot."""
    moved_out: Count = 0
    audiences: tuple[OpenAudience, ...] = ()
    accepted: Count | None = None
    """The server's own count of viewer connections, where it has one."""
    accounted: Count = 0
    """How many of `accepted` are counted."""
    stream_counters: tuple[OpenStreamCounter, ...] | None = None
    """`None` where the server has none, and in the state of an earlier version."""


class Based(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of the service from which a new epoch continues."""

    epoch: Count
    revision: Count
    state_life: str = ""
    """The journal's life that reported this state. A service that was restored from an older copy gives numbers again:
    another state may have the same ones. Empty from services and agents of an earlier version.
    """


AgentPhase = Literal["online", "retrying", "accumulating", "recovering"]


class PhaseChange(msgspec.Struct, frozen=True):
    """A phase of the agent, and when it began."""

    phase: AgentPhase
    at: Millis


class OutageRow(msgspec.Struct, frozen=True, kw_only=True):
    """An outage: an interval in which the agent's syncs failed, as the agent recorded it.

    The report that ends the outage has `recovering` as its last phase; the next report adds when the agent was `online`
    again.
    """

    began_at: Millis
    """When the first sync failed."""
    revision: Count
    phases: Annotated[tuple[PhaseChange, ...], Meta(min_length=1)]
    """Oldest first. `retrying` after `accumulating` means that the agent was restarted in between."""
    failed_attempts: Count
    error: Annotated[str, Meta(max_length=512)] = ""
    """The agent's error text of the last failed attempt."""
    left_out: Count = 0
    """How many phases after the first are left out: an agent that restarts again and again has many."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One sync: everything that changed since the revision that the service acknowledged."""

    server: Label
    role: Role
    life: Label
    """The journal and its N-th attachment to a state of the service: `journal.N`. After a service is restored, the same
    epoch number may be issued twice; the same life never is."""
    epoch: Count
    since: Count
    upto: Count
    sent_at: Millis
    sync_interval_ms: Annotated[int, Meta(ge=1, le=86_400_000)]
    baseline: Baseline
    phase: AgentPhase = "online"
    based_on: Based | None = None
    """The state on which the epoch was issued; set until its first acknowledgement. It activates the epoch."""
    slots: tuple[SlotRow, ...] = ()
    spans: tuple[SpanRow, ...] = ()
    sessions: tuple[SessionRow, ...] = ()
    samples: tuple[SampleRow, ...] = ()
    viewers: tuple[ViewerRow, ...] = ()
    outages: tuple[OutageRow, ...] = ()
    machine: MachineClock | None = None
    """`None` from an agent of an earlier version, or on a machine without a boot id."""
    lists_viewers: bool | UnsetType = UNSET
    """Whether `viewers` contains every viewer that is open: the agent does not know what the service has of them,
    because the service was restored from an older copy, or an acknowledgement was lost before a refusal."""
    stream_slots: tuple[StreamSlotRow, ...] = ()
    """Rows by stream, oldest slot first. Only for a service that stores them (`Acknowledgement.stores_streams`)."""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The revision of an epoch up to which the service has committed everything."""

    epoch: Count
    acknowledged: Count
    now: Millis
    """The service's trusted time when it made this reply, by which the agent corrects its own."""
    received_at: Millis | None = None
    """Trusted time when the request arrived: the time until `now` is the service's, not the network's. `None` from a
    service of an earlier version."""
    clock: ClockState = "trusted"
    stores_streams: bool = False
    """Whether the service stores figures by stream, so that reports may have them. A service of an earlier version does
    not."""


class ClockReading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The service's clock, the reply to a `ClockQuestion`. The fields are those of `Acknowledgement`."""

    now: Millis
    received_at: Millis
    clock: ClockState = "trusted"


class SourceState(msgspec.Struct, frozen=True, kw_only=True):
    """Why an agent has no reading of its media server now. It changes no account: it makes the server visible."""

    error: Annotated[str, Meta(min_length=1, max_length=512)]
    """The agent's own words, without secrets."""
    failing_ms: Millis = 0
    """For how long no reading was possible, by the agent's clock that never steps."""
    role: Role = "standalone"
    sync_interval_ms: Annotated[int, Meta(ge=1, le=86_400_000)] = 10_000


class ClockQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A request for the service's clock, without any effect on accounts."""

    machine: MachineClock | None = None
    source: SourceState | None = None
    """Set while the agent cannot read its media server. A service of an earlier version ignores it."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a report was not applied. The first two fields are the documented error body."""

    error_message: str = msgspec.field(name="errorMessage")
    timestamp: Millis
    """The service's trusted time when it made this reply."""
    reason: Literal["hole", "sealed", "stale", "held", "clock"]
    """`hole`: the report starts beyond the acknowledged revision. `sealed`: another life is active. `stale`: the new
    epoch continues from a state that is no longer the newest. `held`: the report was quarantined for an operator.
    `clock`: the report covers time after the service's trusted time; the agent dates its rows again."""
    epoch: Count
    acknowledged: Count
    received_at: Millis | None = None
    """As in `Acknowledgement`."""
    clock: ClockState = "trusted"
    acknowledged_to: Millis | None = None
    """Up to where the service has the coverage of the life that reported; `None` where it has nothing of it."""


class EpochRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Request for an epoch for a journal or, after a service was restored, for a newer state to continue from."""

    journal: Label
    epoch: Count = 0
    """The epoch that the journal already has; 0 for none. The service keeps this number where it can."""
    machine: MachineClock | None = None


class EpochIssued(msgspec.Struct, frozen=True, kw_only=True):
    """Number of a new epoch and the state to continue from. It has no effect until the first report activates it."""

    epoch: Count
    based_on: Based
    now: Millis
    life: str = ""
    """The active life; empty for a server that never reported. After a repair it ends with `REPAIRED_LIFE`."""
    baseline: Baseline | None = None
    """`None` for a server that never reported."""
    viewers: tuple[ViewerRow, ...] = ()
    """The viewer connections that were open at the baseline."""
    previous_epoch: Count = 0
    """The epoch that the active one continued; 0 if unknown."""
    received_at: Millis | None = None
    """As in `Acknowledgement`."""
    clock: ClockState = "trusted"
    stores_streams: bool = False
    """As in `Acknowledgement`."""
