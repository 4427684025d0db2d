"""TOML that `tomllib` reads as the same values."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from tui.config.toml_text import TomlValue, toml_comment, toml_key, toml_value

texts = st.text(st.characters(codec="utf-8"), max_size=20)
scalars = st.one_of(
    texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
)


@given(st.lists(texts, min_size=1, max_size=3), st.one_of(scalars, st.lists(scalars, max_size=3)), texts)
def test_key_and_value_are_read_back(parts: list[str], value: TomlValue, comment: str) -> None:
    line = f"{toml_key(*parts)} = {toml_value(value)}  # {toml_comment(comment)}"
    assert line.isprintable(), "nothing that acts on a terminal"
    read = tomllib.loads(line)
    for part in parts:
        read = read[part]
    assert read == value
