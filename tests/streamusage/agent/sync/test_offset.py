"""The offset of the service's clock from samples of which some are slow or wrong."""

from random import Random

import pytest

from streamusage.agent.sync.offset import Offset, OffsetSamples

TRUE_OFFSET = 1_795_000_000_000


def sample(samples: OffsetSamples, at: int, there_ms: int, served_ms: int, back_ms: int, wrong_ms: int = 0) -> bool:
    """Add the sample of an exchange that began at an elapsed time. The service's clock is `wrong_ms` ahead."""
    received = TRUE_OFFSET + at + there_ms + wrong_ms
    return samples.add(at, at + there_ms + served_ms + back_ms, received, received + served_ms)


def agreed(samples: OffsetSamples) -> Offset:
    offset = samples.agreed
    assert offset is not None
    return offset


def test_two_samples_do_not_decide() -> None:
    samples = OffsetSamples()
    for at in (0, 10):
        sample(samples, at, 1, 0, 1)
    assert samples.agreed is None
    sample(samples, 20, 1, 0, 1)
    assert abs(agreed(samples).offset_ms - TRUE_OFFSET) <= 1


@pytest.mark.parametrize(("there_ms", "back_ms"), [(8_000, 0), (0, 8_000), (30_000, 30_000)])
def test_slow_way_in_one_direction_corrects_nothing(there_ms: int, back_ms: int) -> None:
    samples = OffsetSamples()
    for at in range(0, 500_000, 70_000):
        sample(samples, at, there_ms, 0, back_ms)
        if samples.agreed is not None:
            assert not samples.agreed.differs_from(TRUE_OFFSET)


def test_time_that_the_service_needs_is_not_taken_for_an_error_of_its_clock() -> None:
    samples = OffsetSamples()
    for at in (0, 100_000, 200_000):
        sample(samples, at, 5, 60_000, 5)
    assert abs(agreed(samples).offset_ms - TRUE_OFFSET) <= 5
    assert agreed(samples).uncertainty_ms <= 110


def test_single_wrong_reply_corrects_nothing_and_a_lasting_change_does() -> None:
    samples = OffsetSamples()
    for at in range(0, 80_000, 10_000):
        sample(samples, at, 2, 1, 2)
    sample(samples, 80_000, 2, 1, 2, wrong_ms=31_536_000_000)
    assert samples.agreed is None
    sample(samples, 90_000, 2, 1, 2)
    assert not agreed(samples).differs_from(TRUE_OFFSET)
    for at in (100_000, 110_000, 120_000):
        sample(samples, at, 2, 1, 2, wrong_ms=-7_000)
    assert abs(agreed(samples).offset_ms - (TRUE_OFFSET - 7_000)) <= 2


def test_slow_reply_does_not_bring_back_the_offset_from_before_a_pause_of_the_machine() -> None:
    samples = OffsetSamples()
    for at in range(0, 50_000, 10_000):
        sample(samples, at, 2, 1, 2)
    for at in (50_000, 60_000, 70_000):
        sample(samples, at, 2, 1, 2, wrong_ms=3_000)
    sample(samples, 80_000, 2, 1, 8_000, wrong_ms=3_000)
    assert abs(agreed(samples).offset_ms - (TRUE_OFFSET + 3_000)) <= 2


@pytest.mark.parametrize(
    ("received", "replied"), [(TRUE_OFFSET + 10, TRUE_OFFSET + 5), (TRUE_OFFSET, TRUE_OFFSET + 51)]
)
def test_sample_that_contradicts_itself_is_dropped(received: int, replied: int) -> None:
    samples = OffsetSamples()
    assert not samples.add(0, 50, received, replied)
    assert samples.agreed is None


def test_service_of_an_earlier_version_bounds_the_offset_by_the_round_trip() -> None:
    samples = OffsetSamples()
    for at in (0, 100_000, 200_000):
        samples.add(at, at + 8_000, None, TRUE_OFFSET + at + 7_900)
    assert not agreed(samples).differs_from(TRUE_OFFSET)


@pytest.mark.parametrize("seed", range(200))
def test_true_offset_is_always_inside_the_bounds(seed: int) -> None:
    random = Random(seed)
    samples = OffsetSamples()
    at = 0
    for _ in range(40):
        at += random.choice((10, 1_000, 10_000))
        sample(samples, at, *(random.choice((0, 3, 200, 9_000)) for _ in range(3)))
        if samples.agreed is not None:
            offset, uncertainty = samples.agreed
            assert abs(offset - TRUE_OFFSET) <= uncertainty, f"seed {seed}"
