"""The filter language: the sessions that it matches, and its errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.core.coverage import Provenance
from tests.support.console.records import session
from tui.model.sessions.filter import FilterError, parse
from tui.model.sessions.session import Session
from tui.model.sessions.session_columns import ColumnReader, SessionColumns

MINUTE, HOUR = 60_000, 3_600_000
NOW = 10 * HOUR

SESSIONS = [
    session("Cam-1", NOW - HOUR, active=10_000, lost=5, peak=20_000, total=9),
    session("cam-22", NOW - 3 * HOUR, scope="event/day2", active=7, lost=0, provenance=Provenance.BACKFILLED),
    session("a b", NOW - 90_000, scope="live/room1", live=False, active=None, duration_ms=80_000),
    session("not", NOW - 26 * HOUR, live=False, active=0, peak=None, provenance=None),
    session("x=(1)", NOW, scope="radio", active=1_500_000),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "Cam-1 cam-22 a·b not x=(1)"),
        ("cam", "Cam-1 cam-22"),
        ("CAM live", "Cam-1"),
        ("cam or radio", "Cam-1 cam-22 x=(1)"),
        ("cam and not live", "cam-22"),
        ("not cam not radio", "a·b not"),
        ("(cam or radio) active>10", "Cam-1 x=(1)"),
        ("cam or radio active>10", "Cam-1 cam-22 x=(1)"),
        ('"a b"', "a·b"),
        ("'not'", "not"),
        ('"x=(1)"', "x=(1)"),
        ("active>10", "Cam-1 x=(1)"),
        ("active>=10k", "Cam-1 x=(1)"),
        ("active>10k", "x=(1)"),
        ("active=1.5M", "x=(1)"),
        ("active!=7", "Cam-1 not x=(1)"),
        ("lost>=5", "Cam-1"),
        ("peak<20,001", "Cam-1 cam-22 a·b x=(1)"),
        ("age<2h", "Cam-1 a·b x=(1)"),
        ("age>=1d", "not"),
        ("age>1h30m", "cam-22 not"),
        ("age<=90s", "a·b x=(1)"),
        ("duration>70s state=ended", "a·b"),
        ("dur>2h", "cam-22"),
        ("scope=live", "Cam-1 not"),
        ("scope=LIVE*", "Cam-1 a·b not"),
        ("scope!=live", "cam-22 a·b x=(1)"),
        ("name=cam-?", "Cam-1"),
        ("name='a b'", "a·b"),
        ("stream=event/*", "cam-22"),
        ("state=live", "Cam-1 cam-22 x=(1)"),
        ("state!=live", "a·b not"),
        ("data=backfilled", "cam-22"),
        ("name~^cam-[0-9]+$", "Cam-1 cam-22"),
        ("name~^cam-([0-9])$", "Cam-1"),
        ("(name~^cam-[0-9]$)", "Cam-1"),
        ("~room", "a·b"),
        ('not ~"a|o"', ""),
    ],
)
def test_filter_matches_sessions(text: str, found: str) -> None:
    chosen = parse(text)
    names = [known.name.replace(" ", "·") for known in SESSIONS if chosen.matches(known, NOW)]
    assert names == found.split()


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("activ>10", (0, 8), "unknown field 'activ'"),
        ("cam active>ten", (11, 14), "a number is expected"),
        ("age<2", (4, 5), "a duration is expected"),
        ("age<2h3", (4, 7), "a duration is expected"),
        ("(cam", (0, 1), "unclosed ("),
        ("cam)", (3, 4), "unmatched )"),
        ('cam "x', (4, 5), "unclosed quote"),
        ("cam or", (6, 7), "missing here"),
        ("and cam", (0, 3), "missing here"),
        ("not", (3, 4), "missing here"),
        ("()", (1, 2), "missing here"),
        ("scope>live", (0, 10), "scope knows"),
        ("state=on", (6, 8), "live or ended is expected"),
        ("data=red", (5, 8), "backfilled"),
        ("name~[", (5, 6), "invalid regular expression"),
        ("active>", (7, 8), "a number is missing"),
        ("=3", (0, 2), "a field is missing"),
    ],
)
def test_filter_error_names_cause_and_position(text: str, at: tuple[int, int], message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert (caught.value.at, caught.value.until) == at
    assert message in str(caught.value)
    assert caught.value.caret(2) == " " * (2 + at[0]) + "^" * (at[1] - at[0])


@given(st.text(alphabet="ab =<>!~\"'()[]*?0123kMhs.andortlive/", max_size=40))
def test_any_text_parses_or_fails_at_a_position(text: str) -> None:
    at, chosen = 0, parse("")
    try:
        chosen = parse(text)
    except FilterError as error:
        at = error.at
    assert 0 <= at <= len(text)
    for known in SESSIONS:
        chosen.matches(known, NOW)
        chosen.found_in(known.text)


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("cam", "live/Cam-1", ["Cam"]),
        ("a am", "live/cam", ["a", "am"][:1]),
        ("not cam", "live/cam", []),
        ("name~[0-9]+", "live/cam-22", ["22"]),
        ("scope=live", "live/cam", []),
        ("name=cam", "live/cam", ["cam"]),
        ("active>1", "live/cam", []),
        ("~x*", "live/cam", []),
    ],
)
def test_matched_text_is_highlighted(text: str, name: str, found: list[str]) -> None:
    assert [name[start:end] for start, end in parse(text).found_in(name)] == found


def test_filter_depends_on_time_only_if_it_compares_times() -> None:
    assert parse("age<2h").by_time
    assert not parse("cam active>3").by_time


def test_imported_records_have_a_provenance_of_their_own() -> None:
    imported = session("old", provenance=None, imported=True)
    assert parse("data=imported").matches(imported, NOW)
    assert not parse("data=live or data=partial").matches(imported, NOW)
    assert not parse("data=imported").matches(session("new"), NOW)


names = st.sampled_from(["cam", "Cam-1", "Straße", "a/b", "live"])
TEXTS = """
    cam; CAM; cam live; e/c; strasse; active>3; cam active>3; cam active>30; not cam; a or b; cam-1; age>1s; age>1s cam;
    scope=live; scope=live cam; "a/b"; (cam); cam and live; active>3 state=live
"""
filters = st.sampled_from(["", *map(str.strip, TEXTS.split(";"))])
sessions = st.builds(session, names, st.integers(0, 3_000), names, active=st.integers(0, 9), live=st.booleans())


@given(st.lists(sessions, max_size=8), filters, filters)
def test_selected_rows_are_those_of_matching_sessions(found: list[Session], text: str, before: str) -> None:
    columns = SessionColumns()
    for one in found:
        columns.append(one)
    chosen, other, reader = parse(text), parse(before), ColumnReader(columns)
    rows = chosen.select(range(len(found)), reader, 2_000)
    assert rows == [row for row, one in enumerate(found) if chosen.matches(one, 2_000)]
    if chosen.narrows(other):
        assert set(rows) <= set(other.select(range(len(found)), reader, 2_000))


def test_longer_filter_narrows_a_shorter_one() -> None:
    for text, before in (("cam", ""), ("cam", "c"), ("live cam", "ca"), ("cam active>3", "cam"), ("cam", "cam")):
        assert parse(text).narrows(parse(before)), (text, before)
    for text, before in (("c", "cam"), ("active>30", "active>3"), ("a or cam", "a"), ("not cam", "not c")):
        assert not parse(text).narrows(parse(before)), (text, before)
    assert not parse("age>1s").narrows(parse("age>1s")), "it matches others by now"


@pytest.mark.parametrize("text", ["service=eu", "cam SERVICE!=eu", "not (a or service~e)", "service="])
def test_field_that_is_unknown_in_a_place_is_refused_there(text: str) -> None:
    with pytest.raises(FilterError, match="service is unknown here: one service"):
        parse(text, {"service": "one service"})
    assert parse("service=eu", {"state": "x"})
    assert parse('"service=eu"', {"service": "one service"})
