"""Instants: durations before now, times of day, ISO 8601 and UTC milliseconds, with the same meaning everywhere."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.core.instants import InstantError, parse_instant

BERLIN = ZoneInfo("Europe/Berlin")
NOON_MS = 1_795_262_400_000  # 2026-11-21 12:00 UTC, 13:00 in Berlin
CASES = settings(max_examples=500, print_blob=True)


def utc_ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("0s", NOON_MS),
        ("24h", NOON_MS - 86_400_000),
        ("1.5m", NOON_MS - 90_000),
        ("90s ago", NOON_MS - 90_000),
        ("1H 30M AGO", NOON_MS - 5_400_000),
        ("9999w", 0),
        ("12:40", utc_ms(2026, 11, 21, 11, 40)),
        ("12:40:07 ago", utc_ms(2026, 11, 21, 11, 40, 7)),
        ("13:01", utc_ms(2026, 11, 20, 12, 1)),
        ("2026-11-21", utc_ms(2026, 11, 20, 23)),
        ("2026-11-21T13:00", NOON_MS),
        ("2026-11-21 12:00:00Z", NOON_MS),
        ("2026-11-21T12:00+02:00", utc_ms(2026, 11, 21, 10)),
        ("1795262400000", NOON_MS),
        (" 0 ", 0),
    ],
)
def test_instants_are_parsed(text: str, at_ms: int) -> None:
    assert parse_instant(text)(NOON_MS, BERLIN) == at_ms


@pytest.mark.parametrize(
    "text", ["", "ago", "soon", "24:00", "12:60", "12:4", "1:00:60", "yesterday", "-5m", "1h3", "2026-13-01"]
)
def test_other_text_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InstantError, match="is not an instant; expected a duration before now such as 24h") as refused:
        parse_instant(text)
    assert str(refused.value).startswith(repr(text))


@CASES
@given(seconds=st.integers(0, 2**37))
def test_written_instants_are_read_back(seconds: int) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    at_ms = seconds * 1000
    assert parse_instant(str(at_ms))(NOON_MS, BERLIN) == at_ms
    assert parse_instant(at.isoformat())(NOON_MS, BERLIN) == at_ms
    assert parse_instant(at.replace(tzinfo=None).isoformat())(NOON_MS, UTC) == at_ms


@CASES
@given(at=st.times(), zone=st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia"]))
def test_time_of_day_is_within_the_last_day(at: time, zone: str) -> None:
    at_ms = parse_instant(f"{at:%H:%M:%S}")(NOON_MS, ZoneInfo(zone))
    assert timedelta() <= timedelta(milliseconds=NOON_MS - at_ms) <= timedelta(hours=24)
    assert datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).time() == at.replace(microsecond=0)


@CASES
@given(text=st.text(max_size=80) | st.text(alphabet="0123456789:-TZ+ago smh.\x00", max_size=40))
def test_any_text_is_an_instant_or_an_error_of_one_short_line(text: str) -> None:
    error = ""
    try:
        at_ms = parse_instant(text)(NOON_MS, BERLIN)
    except InstantError as refused:
        error = str(refused)
    else:
        assert isinstance(at_ms, int)
    assert error.isprintable()
    assert len(error) < 400
