"""Figures: what each type returns, and sums that keep the mark."""

import pytest

from streamusage import AtLeast, Estimate, Exact, IncompleteFigureError, Provenance, Quantity, Reported, Unknown, total
from streamusage.library.quantities import mean_of, sum_of

LIVE, BACKFILLED, MISSING, LOST = Provenance.LIVE, Provenance.BACKFILLED, Provenance.MISSING, Provenance.LOST


@pytest.mark.parametrize(
    ("figure", "text", "known"),
    [
        (Exact(1204, LIVE), "1,204", 1204),
        (AtLeast(680, MISSING), "≥ 680", 680),
        (Estimate(41, None), "~ 41", 41),
        (Reported(12), "12", 12),
        (Unknown(None), "–", None),
    ],
)
def test_figure_shows_how_far_it_can_be_trusted(figure: Quantity, text: str, known: int | None) -> None:
    assert (str(figure), figure.known) == (text, known)
    if isinstance(figure, Exact):
        assert figure.exact() == known
    else:
        with pytest.raises(IncompleteFigureError, match="is not exact") as raised:
            figure.exact()
        assert raised.value.figure == figure


def test_error_names_the_state_that_makes_a_figure_incomplete() -> None:
    with pytest.raises(IncompleteFigureError, match=r"≥ 5 is not exact: some of its time is lost"):
        AtLeast(5, LOST).exact()


@pytest.mark.parametrize("figure", [Exact(1, LIVE), AtLeast(1, LIVE), Reported(1)])
def test_figures_cannot_be_added_or_compared_by_accident(figure: Quantity) -> None:
    with pytest.raises(TypeError):
        _ = figure + 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        _ = figure < 5  # type: ignore[operator]
    with pytest.raises(TypeError):
        int(figure)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([Exact(1, LIVE), Exact(2, BACKFILLED)], Exact(3, BACKFILLED)),
        ([Exact(1, LIVE), AtLeast(2, MISSING)], AtLeast(3, MISSING)),
        ([Exact(1, LIVE), Unknown(LOST)], AtLeast(1, LOST)),
        ([Estimate(1, LIVE), AtLeast(2, MISSING)], Estimate(3, MISSING)),
        ([Exact(1, LIVE), Reported(2)], Reported(3)),
        ([Reported(1), AtLeast(2, None)], AtLeast(3, None)),
        ([Unknown(MISSING)], Unknown(MISSING)),
        ([], Unknown(None)),
    ],
)
def test_total_is_marked_as_the_least_certain_of_its_figures(figures: list[Quantity], expected: Quantity) -> None:
    assert total(figures) == expected


@pytest.mark.parametrize("provenance", Provenance)
def test_sum_is_exact_only_if_all_of_its_time_is_reported(provenance: Provenance) -> None:
    reported = provenance in (LIVE, BACKFILLED)
    assert sum_of(5, provenance, is_complete=True) == (Exact if reported else AtLeast)(5, provenance)
    assert sum_of(5, provenance, is_complete=False) == AtLeast(5, provenance)
    assert mean_of(5, provenance, is_complete=True) == (Exact if reported else Estimate)(5, provenance)
    assert mean_of(5, provenance, is_complete=False) == Estimate(5, provenance)
    assert sum_of(None, provenance, is_complete=True) == Unknown(provenance)


def test_sum_over_no_time_is_not_exact() -> None:
    assert sum_of(0, None, is_complete=True) == AtLeast(0, None)
