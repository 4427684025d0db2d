"""Timing of the last polls."""

from tui.model.latency import KEPT, Latency, Split


def split(answer_bytes: int, **phases: float | None) -> Split:
    measured: dict[str, float | None] = {
        "connect_ms": None, "first_byte_ms": 10.0, "body_ms": 2.0, "decode_ms": 1.0, "apply_ms": 0.5, "paint_ms": None,
    }  # fmt: skip
    return Split(**measured | phases, answer_bytes=answer_bytes)  # type: ignore[arg-type]


def test_total_is_the_sum_of_the_measured_phases() -> None:
    assert split(1_204).total_ms == 13.5
    assert split(1_204, connect_ms=30.0, paint_ms=5.0).total_ms == 48.5


def test_only_the_last_polls_are_kept() -> None:
    latency = Latency()
    for number in range(KEPT + 5):
        latency.add(split(number))
    assert [kept.answer_bytes for kept in latency.splits] == list(range(5, KEPT + 5))


def test_paint_time_belongs_to_the_newest_poll() -> None:
    latency = Latency()
    latency.painted(9.0)
    assert not latency.splits, "without a poll there is nothing to record"
    latency.add(split(1))
    latency.add(split(2))
    latency.painted(5.0)
    assert [kept.paint_ms for kept in latency.splits] == [None, 5.0]
