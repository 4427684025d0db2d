"""Units of invoices are named, never guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.core.figures import Unit
from tui.reconcile.errors import AccountError
from tui.reconcile.units import NamedUnit, find_unit, parse_amount, rounding_step, unit_of_column


@pytest.mark.parametrize(
    ("name", "size"),
    [("GB", 10**9), ("GiB", 2**30), ("bytes", 1), ("B", 1), ("KB", 1000), ("kB", 1000), ("KiB", 1024), ("TiB", 2**40)],
)
def test_byte_units_are_powers_of_1000_and_of_1024(name: str, size: int) -> None:
    assert find_unit(name, Unit.BYTES).size == size


@pytest.mark.parametrize("name", ["Gb", "gb", "Gbit", "G", "", "hours", "GIB"])
def test_ambiguous_unit_is_refused(name: str) -> None:
    with pytest.raises(AccountError, match="is no unit of this figure; expected one of"):
        find_unit(name, Unit.BYTES)


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("traffic (GB)", "GB"),
        ("traffic_gb", "GB"),
        ("usage_GiB", "GiB"),
        ("usageGiB", "GiB"),
        ("bytes_out", "bytes"),
        ("sc-bytes", "bytes"),
        ("TB delivered", "TB"),
        ("traffic", None),
        ("GB or GiB", None),
        ("Gb", None),
    ],
)
def test_column_names_its_unit(column: str, unit: str | None) -> None:
    found = unit_of_column(column, Unit.BYTES)
    assert (found and found.name) == unit


def test_columns_of_view_time_name_theirs() -> None:
    assert unit_of_column("view hours", Unit.MILLISECONDS) == NamedUnit("hours", 3_600_000)
    assert unit_of_column("minutes", Unit.MILLISECONDS) == NamedUnit("minutes", 60_000)
    assert unit_of_column("traffic (GB)", Unit.MILLISECONDS) is None


@pytest.mark.parametrize(
    ("text", "value", "decimals"), [("12", 12 * 10**9, 0), ("0.25", 250_000_000, 2), (" 1.5 ", 1_500_000_000, 1)]
)
def test_amount_is_exact(text: str, value: int, decimals: int) -> None:
    assert parse_amount(text, NamedUnit("GB", 10**9)) == (value, decimals)


@pytest.mark.parametrize("text", ["1,234.5", "1.234,5", "-1", "1e9", "", "GB", "1.2.3", "٣", "1 000", "nan"])
def test_other_numbers_are_not_read(text: str) -> None:
    assert parse_amount(text, NamedUnit("GB", 10**9)) is None


@given(st.integers(0, 10**12), st.integers(0, 6))
def test_rounded_figures_are_within_half_a_step(value: int, decimals: int) -> None:
    unit = NamedUnit("GB", 10**9)
    text = f"{value / unit.size:.{decimals}f}"
    amount = parse_amount(text, unit)
    assert amount is not None
    assert abs(amount.value - value) <= rounding_step(unit, decimals) / 2 + 1


def test_whole_bytes_are_not_rounded() -> None:
    assert rounding_step(NamedUnit("bytes", 1), 0) == 0
    assert rounding_step(NamedUnit("GB", 10**9), 1) == 10**8
