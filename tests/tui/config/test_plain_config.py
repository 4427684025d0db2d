"""The usual `config.toml` is read without a validator, and as the validator reads it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.config.plain_config import read_plain
from tui.config.profiles import Alerts, Profile
from tui.config.validation import InvalidConfigError, validate

VALUES: dict[str, list[Any]] = {
    "url": ["http://lab:5080", "https://sm.example.net/", "h:5080", ""],
    "token_file": ["token", "~/token"],
    "token_env": ["LAB_TOKEN", ""],
    "ca_file": ["ca.pem"],
    "client_cert": ["me.pem"],
    "client_key": ["me.key"],
    "proxy": ["http://proxy:3128", "http://me:pw@proxy"],
    "api_version": ["3.1", "4.0", "2.0"],
    "largest_answer_mb": [1024, 1, 65536, 0, 65537, True, 2.0, "256"],
    "display_stage": [True, False, "no", 1],
    "read_only": [True, False, "yes", 1],
    "poll_interval": [2, 0.5, "2s", "500ms", "soon", 0, True, "99ms"],
    "tz": ["UTC", "Europe/Berlin", "Mars/Base"],
    "theme": ["dark", "light", "pink"],
}
ALERT_VALUES: dict[str, list[Any]] = {
    "after": ["5m", 90, 86401],
    "bell": [True, 0],
    "notify": ["none", "osc777", "osc9", "mail"],
    "command": [[], ["page-me", "now"], [""], [3], "page-me"],
}
ODD = st.sampled_from([None, 3, 2.5, "x", [], ["x"], {}, {"x": 1}, True])


def tables(values: dict[str, list[Any]], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    known = {name: st.one_of(st.sampled_from(choices), ODD) for name, choices in values.items()} | more
    return st.one_of(
        st.fixed_dictionaries({}, optional={name: st.sampled_from(choices) for name, choices in values.items()} | more),
        st.fixed_dictionaries({}, optional=known | {"unknown": ODD}),
    )


PROFILES = tables(VALUES, alerts=tables(ALERT_VALUES))
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "default_profile": st.one_of(st.just("a"), ODD),
        "profiles": st.one_of(st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(PROFILES, ODD)), ODD),
        "keys": st.one_of(st.dictionaries(st.sampled_from(["gaps", "quit"]), st.just("w")), ODD),
        "unknown": st.just(1),
    },
)


@given(DOCUMENTS)
def test_document_is_read_as_the_validator_reads_it_or_left_to_it(document: dict[str, Any]) -> None:
    plain = read_plain(document)
    if plain is not None:
        assert plain == validate(document)


@pytest.mark.parametrize("name", Profile.__struct_fields__)
def test_usual_value_of_every_setting_needs_no_validator(name: str) -> None:
    value = {part: choices[0] for part, choices in ALERT_VALUES.items()} if name == "alerts" else VALUES[name][0]
    assert read_plain({"profiles": {"a": {name: value}}}) is not None


@pytest.mark.parametrize("name", Alerts.__struct_fields__)
def test_usual_value_of_every_setting_of_alerts_needs_no_validator(name: str) -> None:
    assert read_plain({"profiles": {"a": {"alerts": {name: ALERT_VALUES[name][0]}}}}) is not None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"profiles": {"a": {"alerts": {"command": [""]}}}}, "command.0: String should have at least 1 character"),
        ({"profiles": {"a": 3}}, "profiles.a: Input should be a valid dictionary or instance of Profile"),
        ({"profiles": {"a": {"read_only": "maybe"}}}, "read_only: Input should be a valid boolean"),
        ({"profiles": {"a": {"theme": "pink"}}}, "theme: Input should be 'dark', 'light'"),
        ({"keys": {"gaps": 3}}, "keys.gaps: Input should be a valid string"),
    ],
)
def test_wrong_value_is_described_by_the_validator(document: dict[str, Any], message: str) -> None:
    assert read_plain(document) is None
    with pytest.raises(InvalidConfigError, match=message):
        validate(document)
