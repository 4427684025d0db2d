"""Where the time of the last polls went, as text."""

from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.latency import Split

_MOST_POLLS = 20


def format_poll_timing(state: ConsoleState) -> list[str]:
    """Return the timing of the last polls as lines, newest first, with what is known of the service's clock."""
    lines = ["Where the time of a poll goes, in milliseconds, newest first", ""]
    lines.append("  connect  first byte    body  decode   apply   paint   total        bytes")
    lines += [_format_split(split) for split in [*state.latency.splits][: -_MOST_POLLS - 1 : -1]]
    if not state.latency.splits:
        lines.append("  nothing polled yet")
    lines += ["", f"polled every {state.poll_interval_ms / 1000:g}s"]
    if state.shows_skew and state.skew_ms is not None:
        lines.append(f"the service's clock is {state.skew_ms / 1000:+.1f}s from this machine's")
    if state.drift:
        lines.append(f"its records differ from the documented ones: {state.drift.summary()}")
    return lines


def _format_split(split: Split) -> str:
    figures = zip(split[:6], (9, 12, 8, 8, 8, 8), strict=True)
    text = "".join((f"{part:.1f}" if part is not None else formats.UNKNOWN).rjust(cells) for part, cells in figures)
    return f"{text}{split.total_ms:8.1f}{split.answer_bytes:13,}"
