"""Staleness of the figures on screen in four levels: live, late, stale, offline. Pure."""

from enum import StrEnum

import msgspec

from tui.model import formats


class StalenessLevel(StrEnum):
    """A level of staleness. From `STALE` on, deletes are off: they would be based on figures that may be wrong."""

    WAITING = "waiting"
    LIVE = "live"
    LATE = "late"
    STALE = "stale"
    OFFLINE = "offline"


class Freshness(msgspec.Struct, frozen=True):
    """The age of the figures on screen and the next attempt to refresh them."""

    step: StalenessLevel
    age_ms: int | None
    """`None` before the first successful poll."""
    retry_in_ms: int | None
    """Time until the next attempt; `None` while polls succeed or one is in flight."""
    is_given_up: bool = False
    """Whether no attempt follows before the operator requests one."""

    @property
    def allows_deletes(self) -> bool:
        """Whether the figures are fresh enough to delete by them."""
        return self.step in (StalenessLevel.LIVE, StalenessLevel.LATE)

    def describe(self) -> str:
        """Return `live 2s`, `STALE 41s, deletes off` or `offline 4m, next try in 8s`."""
        age = "" if self.age_ms is None else f" {formats.duration(self.age_ms)}"
        retry = "" if self.retry_in_ms is None else f", next try in {-(-self.retry_in_ms // 1000)}s"
        retry = ", r: try again" if self.is_given_up else retry
        match self.step:
            case StalenessLevel.WAITING:
                return f"no figures yet{retry}" if retry else "asking…"
            case StalenessLevel.LIVE:
                return f"live{age}"
            case StalenessLevel.LATE:
                return f"late{age}{retry}"
            case StalenessLevel.STALE:
                return f"STALE{age}, deletes off{retry}"
            case StalenessLevel.OFFLINE:
                return f"offline{age}{retry}"


LATE_AFTER_INTERVALS = 3
STALE_AFTER_INTERVALS = 8
STALE_AFTER_AT_LEAST_MS = 15_000
OFFLINE_AFTER_FAILURES = 3


def freshness(
    *,
    elapsed_ms: int,
    polled_at_ms: int | None,
    interval_ms: int,
    failures: int,
    retry_at_ms: int | None,
    is_given_up: bool = False,
) -> Freshness:
    """Return the staleness of the figures. All instants are of one clock that never steps.

    `polled_at_ms` is the time of the last successful poll, `failures` the number of failed polls since.
    """
    retry_in_ms = None if retry_at_ms is None else max(0, retry_at_ms - elapsed_ms)
    if polled_at_ms is None:
        step = StalenessLevel.OFFLINE if failures >= OFFLINE_AFTER_FAILURES else StalenessLevel.WAITING
        return Freshness(step, None, retry_in_ms, is_given_up)
    age_ms = max(0, elapsed_ms - polled_at_ms)
    stale_after_ms = max(STALE_AFTER_INTERVALS * interval_ms, STALE_AFTER_AT_LEAST_MS)
    if age_ms > stale_after_ms:
        step = StalenessLevel.OFFLINE if failures >= OFFLINE_AFTER_FAILURES else StalenessLevel.STALE
    elif failures or age_ms > LATE_AFTER_INTERVALS * interval_ms:
        step = StalenessLevel.LATE
    else:
        step = StalenessLevel.LIVE
    return Freshness(step, age_ms, retry_in_ms, is_given_up)
