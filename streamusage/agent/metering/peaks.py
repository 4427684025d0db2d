"""The largest bandwidth of a slot, measured over windows between two readings. Pure."""

from streamusage.agent.metering.additions import SlotAddition
from streamusage.api.report import Peak, PeakWindow, higher_peak

PEAK_WINDOW_MS = 10_000
"""A peak is measured over windows of at least this length: bandwidth over a shorter one is mostly jitter."""


def is_full(window: PeakWindow, at: int, step_ms: int) -> bool:
    """Whether a window is long enough at an instant. For counters that move in steps it has to hold several."""
    return at - window.at + step_ms >= max(PEAK_WINDOW_MS, 4 * step_ms)


def measure(window: PeakWindow, now: PeakWindow, step_ms: int, addition: SlotAddition) -> None:
    """Adds the bandwidth of a window that ends now.

    Counters that move in steps may show in a window what was moved up to a step before it: it counts as so much longer.
    """
    length = now.at - window.at + step_ms
    bps_in = (now.bytes_in - window.bytes_in) * 8000 // length
    bps_out = (now.bytes_out - window.bytes_out) * 8000 // length
    addition.peak_in = higher_peak(addition.peak_in, Peak(bps_in, now.at, length))
    addition.peak_out = higher_peak(addition.peak_out, Peak(bps_out, now.at, length))
