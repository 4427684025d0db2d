"""Trusted time: the last confirmed instant plus the boot clock since. Values in, values out, without a clock.

The boot clock of a machine never steps and counts suspend, but only within one boot. The wall clock is what everybody
means by time, but it may be wrong: an RTC without battery, a guest that was paused, a mistyped date. Therefore the
wall clock is confirmed at every tick, and evidence against it begins a *doubt*:

- within one boot it is more than a minute from the last confirmed instant plus the boot clock since (`step`);
- it is earlier than the date of the newest migration, which existed before this program ran (`release`);
- after a reboot it is more than a day from the newest time in the store (`store`), or more than a minute from the
  median of at least three machines (`machines`). A machine is counted by its boot id, and one server names one
  machine: neither several servers of a machine nor one token with several boot ids count more than once.

The median counts where most of the machines agree with it. One or two machines that disagree with the wall clock are no
evidence: a majority of three may be two wrong ones. A machine whose boot id is the service's own is no witness either.

In doubt, trusted time continues with the boot clock. After a reboot nothing continues: trusted time is the median of
the machines where there are three, later than the wall clock only if three agree with it; else the newest time in the
store (at least the date of the newest migration) plus the boot clock since. It may be too early then, never too late:
reports of later time are refused and stay in the agents' journals, while a time that is too late would close and
discard. That the store's newest time is itself too late, left by an earlier version of the service, delays only.

A doubt ends when the wall clock is back; when three machines agree with it for ten minutes; where fewer than three
report, after 24 hours without contrary evidence; or when an operator accepts it. Contrary evidence is a further step
of the wall clock, a wall clock before the newest migration, a machine that agrees with trusted time but not with the
wall clock, unless machines are all that trusted time rests on, and a median that contradicts it.
"""

from collections.abc import Mapping
from enum import StrEnum
from statistics import median_low
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

STEP_MS = 60_000
"""How far two clocks may be apart and still agree."""
OFF_MS = 86_400_000
"""How far the wall clock may be from the newest time in the store after a reboot."""
MACHINES = 3
"""How many machines are needed to judge the wall clock."""
AGREEMENT_MS = 600_000
"""How long machines must agree with a wall clock in doubt."""
QUIET_MS = 86_400_000
"""How long a wall clock in doubt must be without contrary evidence where fewer machines report."""
WITNESS_MS = 600_000
"""How long the clock of a machine counts after it was seen."""


class Evidence(StrEnum):
    """What raised a doubt about the wall clock."""

    STEP = "step"
    RELEASE = "release"
    STORE = "store"
    MACHINES = "machines"


class Ended(StrEnum):
    """Why a doubt ended."""

    BACK = "back"
    AGREED = "agreed"
    QUIET = "quiet"
    ACCEPTED = "accepted"


Basis = Literal["boot", "store", "release", "machines"]
"""What trusted time rests on: the boot clock since a confirmed instant, or an estimate after a reboot."""

_TOLERANCES_MS: Mapping[Basis, int | None] = {"boot": STEP_MS, "store": OFF_MS, "release": None, "machines": STEP_MS}
"""How far a wall clock that is back may be from trusted time. An estimate by the store is rough, and the date of the
newest migration is a lower bound only."""


class MachineReading(NamedTuple):
    """The clock of an agent's machine, as a message showed it."""

    boot: str
    offset_ms: int
    """The machine's wall clock minus the service's boot clock."""
    seen_ms: int
    """The service's boot clock when the message arrived."""


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """A doubt about the wall clock."""

    cause: Evidence
    by_ms: int
    """Wall clock minus trusted time when it began."""
    since_ms: int
    """Trusted time when it began."""
    began_elapsed_ms: int
    """Boot clock when it began."""
    began_offset_ms: int
    """Wall clock minus boot clock when it began."""
    quiet_from_ms: int
    """Boot clock from which there was no contrary evidence."""
    quiet_offset_ms: int
    """Wall clock minus boot clock since then."""


class TrustedTime(msgspec.Struct, frozen=True, kw_only=True):
    """Trusted time of one machine and what it rests on. `witnesses` are not stored."""

    boot: str
    """Boot id; empty where the machine has none, and its boot clock may not count suspend."""
    instant_ms: int
    """Trusted time at `elapsed_ms`. Outside a doubt it is the wall clock, confirmed."""
    elapsed_ms: int
    basis: Basis = "boot"
    released_ms: int = 0
    """Date of the newest migration of the store."""
    vouched: bool = False
    """Whether machines or an operator vouched for the wall clock of this boot. Until then machines may contradict."""
    agreed_from_ms: int | None = None
    """Boot clock from which at least three machines agree with the wall clock; `None` while they do not."""
    doubt: Doubt | None = None
    ended: Ended | None = None
    """Why the last doubt ended; `None` in a doubt, and before the first."""
    witnesses: Mapping[str, MachineReading] = {}
    """The newest reading of each server's machine."""


def trusted_ms(state: TrustedTime, elapsed_ms: int) -> int:
    """Return trusted time when the boot clock shows `elapsed_ms`."""
    return state.instant_ms + elapsed_ms - state.elapsed_ms


def start(
    kept: TrustedTime | None, boot: str, wall_ms: int, elapsed_ms: int, newest_ms: int | None, released_ms: int
) -> TrustedTime:
    """Return the state at the start of a process. `kept` is what an earlier process of this boot stored, `newest_ms`
    the newest time in the store.
    """
    if kept is not None and boot and kept.boot == boot and kept.elapsed_ms <= elapsed_ms:
        state = replace(kept, released_ms=released_ms, agreed_from_ms=None, witnesses={})
        if state.doubt is not None:
            # Nobody looked for evidence while the service was off.
            quiet_from_ms = state.doubt.quiet_from_ms + elapsed_ms - kept.elapsed_ms
            state = replace(state, doubt=replace(state.doubt, quiet_from_ms=quiet_from_ms))
        return tick(state, boot, wall_ms, elapsed_ms)
    state = TrustedTime(boot=boot, instant_ms=wall_ms, elapsed_ms=elapsed_ms, released_ms=released_ms)
    if wall_ms < released_ms:
        cause = Evidence.RELEASE
    elif newest_ms is not None and abs(wall_ms - newest_ms) > OFF_MS:
        cause = Evidence.STORE
    else:
        return state
    basis: Basis = "release" if newest_ms is None else "store"
    return _begin_doubt(state, cause, basis, max(newest_ms or 0, released_ms), wall_ms, elapsed_ms)


def tick(state: TrustedTime, boot: str, wall_ms: int, elapsed_ms: int) -> TrustedTime:
    """Return the state after a look at both clocks of the machine."""
    if boot != state.boot or elapsed_ms < state.elapsed_ms:
        # The process was moved to another boot, as by a restored snapshot of a virtual machine.
        return start(None, boot, wall_ms, elapsed_ms, state.instant_ms, state.released_ms)
    machines = _machines(state, elapsed_ms)
    agrees = _agree(machines, wall_ms)
    state = replace(
        state,
        instant_ms=trusted_ms(state, elapsed_ms),
        elapsed_ms=elapsed_ms,
        agreed_from_ms=None if not agrees else elapsed_ms if state.agreed_from_ms is None else state.agreed_from_ms,
    )
    return (_confirm if state.doubt is None else _judge)(state, machines, wall_ms, elapsed_ms)


def see_machines(state: TrustedTime, readings: Mapping[str, MachineReading], elapsed_ms: int) -> TrustedTime:
    """Return the state with newer readings, by server. Old ones are dropped, and those of the service's own machine."""
    witnesses = {
        server: reading
        for server, reading in {**state.witnesses, **readings}.items()
        if reading.boot != state.boot and elapsed_ms - reading.seen_ms <= WITNESS_MS
    }
    return replace(state, witnesses=witnesses)


def accept(state: TrustedTime, wall_ms: int, elapsed_ms: int) -> TrustedTime:
    """Return the state after an operator accepted the wall clock. One before the newest migration stays refused."""
    if wall_ms < state.released_ms:
        return state
    return _trust_wall(state, wall_ms, elapsed_ms, Ended.ACCEPTED, vouched=True)


def count_machines(state: TrustedTime, elapsed_ms: int) -> int:
    """Return how many machines can judge the wall clock now."""
    return len(_machines(state, elapsed_ms))


def _confirm(state: TrustedTime, machines: list[int], wall_ms: int, elapsed_ms: int) -> TrustedTime:
    by_ms = wall_ms - state.instant_ms
    if wall_ms < state.released_ms:
        return _begin_doubt(state, Evidence.RELEASE, "boot", state.instant_ms, wall_ms, elapsed_ms)
    # Without a boot id the boot clock may stand still in suspend.
    if not -STEP_MS <= by_ms <= (STEP_MS if state.boot else OFF_MS):
        return _begin_doubt(state, Evidence.STEP, "boot", state.instant_ms, wall_ms, elapsed_ms)
    outvoted_by = _outvoted_by(machines, wall_ms)
    if not state.vouched and outvoted_by is not None:
        return _begin_doubt(state, Evidence.MACHINES, "machines", outvoted_by, wall_ms, elapsed_ms)
    return replace(state, instant_ms=wall_ms, vouched=state.vouched or _agreed_long(state, elapsed_ms))


def _judge(state: TrustedTime, machines: list[int], wall_ms: int, elapsed_ms: int) -> TrustedTime:
    doubt = state.doubt
    assert doubt is not None
    median_ms = _median(machines)
    if state.basis != "boot" and median_ms is not None:
        is_unmoved = state.basis == "machines" and abs(median_ms - state.instant_ms) <= STEP_MS
        # Fewer than three that agree never move trusted time ahead of the wall clock, nor from an earlier median.
        is_sound = _count_agreeing(machines, median_ms) >= MACHINES
        is_better = state.basis != "machines" and median_ms <= wall_ms
        if not is_unmoved and (is_sound or is_better):
            state = replace(state, basis="machines", instant_ms=median_ms)
    if _contradicts(state, doubt, machines, wall_ms, elapsed_ms):
        doubt = replace(doubt, quiet_from_ms=elapsed_ms, quiet_offset_ms=wall_ms - elapsed_ms)
        state = replace(state, doubt=doubt)
    if wall_ms < state.released_ms:
        return state
    if _is_back(state, doubt, wall_ms, elapsed_ms):
        return _trust_wall(state, wall_ms, elapsed_ms, Ended.BACK, vouched=state.vouched)
    if _agreed_long(state, elapsed_ms):
        return _trust_wall(state, wall_ms, elapsed_ms, Ended.AGREED, vouched=True)
    if elapsed_ms - doubt.quiet_from_ms >= QUIET_MS:
        return _trust_wall(state, wall_ms, elapsed_ms, Ended.QUIET, vouched=False)
    return state


def _is_back(state: TrustedTime, doubt: Doubt, wall_ms: int, elapsed_ms: int) -> bool:
    """Return whether the wall clock agrees with trusted time again. Where machines show the time, a wall clock that was
    not corrected is not back: the machines' agreement must last.
    """
    if state.basis == "machines" and abs(wall_ms - elapsed_ms - doubt.began_offset_ms) <= STEP_MS:
        return False
    tolerance_ms = _TOLERANCES_MS[state.basis]
    return tolerance_ms is None or abs(wall_ms - state.instant_ms) <= tolerance_ms


def _contradicts(state: TrustedTime, doubt: Doubt, machines: list[int], wall_ms: int, elapsed_ms: int) -> bool:
    """Return whether anything speaks against the wall clock in doubt, three machines among it."""
    stepped = abs(wall_ms - elapsed_ms - doubt.quiet_offset_ms) > STEP_MS
    # Where machines are what trusted time rests on, their agreement with it is no evidence.
    for_trusted = state.basis != "machines" and any(
        abs(at - state.instant_ms) <= STEP_MS < abs(at - wall_ms) for at in machines
    )
    return wall_ms < state.released_ms or stepped or for_trusted or _outvoted_by(machines, wall_ms) is not None


def _machines(state: TrustedTime, elapsed_ms: int) -> list[int]:
    """Return what the clocks of the machines show now, each machine once, by its newest reading. A clock before the
    newest migration is wrong and no witness.
    """
    newest: dict[str, MachineReading] = {}
    for reading in state.witnesses.values():
        known = newest.get(reading.boot)
        is_fresh = elapsed_ms - reading.seen_ms <= WITNESS_MS
        if is_fresh and (known is None or known.seen_ms < reading.seen_ms):
            newest[reading.boot] = reading
    shown = (reading.offset_ms + elapsed_ms for reading in newest.values())
    return [at_ms for at_ms in shown if at_ms >= state.released_ms]


def _agree(machines: list[int], wall_ms: int) -> bool:
    """Return whether at least three machines agree with the wall clock, and their median does."""
    return _count_agreeing(machines, wall_ms) >= MACHINES and abs(median_low(machines) - wall_ms) <= STEP_MS


def _count_agreeing(machines: list[int], at_ms: int) -> int:
    return sum(abs(shown - at_ms) <= STEP_MS for shown in machines)


def _median(machines: list[int]) -> int | None:
    """Return the median of at least three machines, if most of them agree with it."""
    if len(machines) < MACHINES:
        return None
    median_ms = median_low(machines)
    return median_ms if 2 * _count_agreeing(machines, median_ms) > len(machines) else None


def _outvoted_by(machines: list[int], wall_ms: int) -> int | None:
    """Return the median if it contradicts the wall clock and at least three machines do; else `None`."""
    median_ms = _median(machines)
    if median_ms is None or abs(median_ms - wall_ms) <= STEP_MS:
        return None
    return median_ms if len(machines) - _count_agreeing(machines, wall_ms) >= MACHINES else None


def _agreed_long(state: TrustedTime, elapsed_ms: int) -> bool:
    return state.agreed_from_ms is not None and elapsed_ms - state.agreed_from_ms >= AGREEMENT_MS


def _begin_doubt(
    state: TrustedTime, cause: Evidence, basis: Basis, instant_ms: int, wall_ms: int, elapsed_ms: int
) -> TrustedTime:
    doubt = Doubt(
        cause=cause,
        by_ms=wall_ms - instant_ms,
        since_ms=instant_ms,
        began_elapsed_ms=elapsed_ms,
        began_offset_ms=wall_ms - elapsed_ms,
        quiet_from_ms=elapsed_ms,
        quiet_offset_ms=wall_ms - elapsed_ms,
    )
    return replace(state, instant_ms=instant_ms, elapsed_ms=elapsed_ms, basis=basis, doubt=doubt, ended=None)


def _trust_wall(state: TrustedTime, wall_ms: int, elapsed_ms: int, ended: Ended, *, vouched: bool) -> TrustedTime:
    return replace(
        state, instant_ms=wall_ms, elapsed_ms=elapsed_ms, basis="boot", vouched=vouched, doubt=None, ended=ended
    )
