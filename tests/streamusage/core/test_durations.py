"""One grammar of durations: what each of the five earlier grammars read is read alike, hostile text is refused."""

import re
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.core.durations import EXAMPLES, LONGEST_TEXT, UNIT_MS, DurationError, Unit, parse_duration_ms
from tests.support.program import REPOSITORY

CASES = settings(max_examples=1000, print_blob=True)


@pytest.mark.parametrize(
    ("text", "length_ms"),
    [
        ("0s", 0),
        ("500ms", 500),
        ("90s", 90_000),
        ("1.5m", 90_000),
        ("1h30m", 5_400_000),
        ("30m1h", 5_400_000),
        (" 1H 30 M ", 5_400_000),
        ("7d", 604_800_000),
        ("2w", 1_209_600_000),
        ("1w1d1h1m1s1ms", 694_861_001),
    ],
)
def test_durations_are_parsed(text: str, length_ms: int) -> None:
    assert parse_duration_ms(text) == length_ms


@pytest.mark.parametrize(
    ("text", "unit", "length_ms"),
    [("7", "d", 604_800_000), ("2.5", "s", 2500), ("1e1", "s", 10_000), ("+7", "s", 7000), ("7h", "d", 25_200_000)],
)
def test_bare_number_has_the_unit_of_the_setting(text: str, unit: Unit, length_ms: int) -> None:
    assert parse_duration_ms(text, default_unit=unit) == length_ms


@pytest.mark.parametrize(
    "text",
    ["", " ", "h", "ten", "1h3", "-1s", "1,5s", "1.s", ".5s", "1 y", "1m;2s", "٣s", "1e3s", "nan", "inf", "-1",
     "1e999999", "9" * LONGEST_TEXT + "s"],
)  # fmt: skip
def test_other_text_is_refused_with_the_text_and_examples(text: str) -> None:
    for unit in (None, "s"):
        with pytest.raises(DurationError, match="is not a duration") as refused:
            parse_duration_ms(text, default_unit=unit)
        assert repr(text)[:20] in str(refused.value)
        assert EXAMPLES in str(refused.value)


def test_number_without_unit_is_refused_where_no_unit_is_documented() -> None:
    with pytest.raises(DurationError, match="'10' is not a duration, it has no unit; expected a unit of ms, s"):
        parse_duration_ms("10")


@pytest.mark.parametrize("text", ["99ms", "61s"])
def test_range_is_named(text: str) -> None:
    with pytest.raises(DurationError, match=f"'{text}' is out of range; expected a duration from 100ms to 1m"):
        parse_duration_ms(text, shortest="100ms", longest="1m")
    assert parse_duration_ms("60s", shortest="100ms", longest="1m") == 60_000


pieces = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 999), st.sampled_from(list(UNIT_MS)), st.booleans()),
    min_size=1,
    max_size=3,
)


@CASES
@given(pieces=pieces, space=st.sampled_from(["", " ", "\t"]))
def test_written_durations_are_read_back(pieces: list[tuple[int, int, str, bool]], space: str) -> None:
    written = space.join(
        f"{number}.{decimals:03}{space}{unit.upper() if upper else unit}" for number, decimals, unit, upper in pieces
    )
    exact = sum((number + Fraction(decimals, 1000)) * UNIT_MS[unit] for number, decimals, unit, _ in pieces)
    assert parse_duration_ms(written) == round(exact)


Grammar = Callable[[str], float | None]


def _agent_configuration(text: str) -> float | None:
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)", text.strip())
    return None if match is None else round(float(match[1]) * UNIT_MS[match[2]])


def _service_option(text: str) -> float | None:
    match = re.fullmatch("([0-9]{1,6})([smhd])", text)
    return None if match is None else int(match[1]) * UNIT_MS[match[2]]


def _client_option(text: str) -> float | None:
    match = re.fullmatch("([0-9]{1,9})([smhdw])", text)
    return None if match is None else int(match[1]) * UNIT_MS[match[2]]


def _console_setting(text: str) -> float | None:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)", text)
    return None if match is None else float(match[1]) * UNIT_MS[match[2]]


def _console_prompt(text: str) -> float | None:
    piece = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])")
    text = text.strip().lower()
    if not text or piece.sub("", text).strip():
        return None
    return round(sum(float(number) * UNIT_MS[unit] for number, unit in piece.findall(text)))


def _filter(text: str) -> float | None:
    found = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", text)
    if not found or "".join(number + unit for number, unit in found) != text:
        return None
    return round(sum(float(number) * UNIT_MS[unit] for number, unit in found))


EARLIER: list[Grammar] = [
    _agent_configuration,
    _service_option,
    _client_option,
    _console_setting,
    _console_prompt,
    _filter,
]
"""The grammars of version 0.1."""

similar_texts = st.text(alphabet="0123456789.smhdwSMHDW \t-+e", max_size=16)
number_with_unit = st.from_regex(r"[0-9]{1,5}(\.[0-9]{1,3})? ?(ms|[smhdwSM]) ?", fullmatch=True)
numbered_texts = st.lists(number_with_unit, max_size=3).map("".join)


@CASES
@given(text=similar_texts | numbered_texts | st.text(max_size=20))
def test_text_of_an_earlier_grammar_has_the_same_meaning(text: str) -> None:
    earlier = [length for read in EARLIER if (length := read(text)) is not None]
    if earlier:
        # A tie of half a millisecond was rounded by the binary value of its decimals.
        assert all(abs(parse_duration_ms(text) - length) <= 1 for length in earlier)


@CASES
@given(text=st.text(max_size=400) | st.text(alphabet="0123456789.eE+-_smh \x00\u200b", max_size=400))
def test_any_text_is_a_duration_or_an_error_of_one_short_line(text: str) -> None:
    for unit in (None, "s", "w"):
        error = ""
        try:
            length_ms = parse_duration_ms(text, default_unit=unit)
        except DurationError as refused:
            error = str(refused)
        else:
            assert length_ms >= 0
        assert error.isprintable()
        assert len(error) < 500


def test_documented_durations_are_parsed() -> None:
    table = (REPOSITORY / "docs" / "values.md").read_text().split("| written | duration |")[1].split("\n\n")[0]
    written = [re.findall("`([^`]+)`", line.split("|")[1]) for line in table.splitlines()[2:]]
    lengths = [{parse_duration_ms(text) for text in texts} for texts in written]
    assert lengths == [{500}, {90_000}, {5_400_000}, {1_209_600_000}]
