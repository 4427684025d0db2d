"""Peak bandwidth: the bytes of a window by its length. Pure."""

from streamusage.agent.metering.additions import SlotAddition
from streamusage.api.report import Peak, PeakWindow, higher_peak

PEAK_WINDOW_MS = 10_000
"""Shortest window for a peak: bandwidth over a shorter one is mostly jitter."""


def is_window_full(window: PeakWindow, at: int, step_ms: int) -> bool:
    """Return whether a window is long enough at `at`. Counters that move in steps need a window of several steps."""
    return at - window.at + step_ms >= max(PEAK_WINDOW_MS, 4 * step_ms)


def add_peak(window: PeakWindow, now: PeakWindow, step_ms: int, addition: SlotAddition) -> None:
    """Add the bandwidth of the window that ends now.

    The window of counters that move in steps may contain bytes from up to one step before it: it counts as one step
    longer.
    """
    length_ms = now.at - window.at + step_ms
    bps_in = (now.bytes_in - window.bytes_in) * 8000 // length_ms
    bps_out = (now.bytes_out - window.bytes_out) * 8000 // length_ms
    addition.peak_in = higher_peak(addition.peak_in, Peak(bps_in, now.at, length_ms))
    addition.peak_out = higher_peak(addition.peak_out, Peak(bps_out, now.at, length_ms))
