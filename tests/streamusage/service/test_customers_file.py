"""The customers file: what is read, and what a wrong one is refused with."""

from datetime import date
from pathlib import Path

import pytest

from streamusage.core.usage import StreamId
from streamusage.service.customers_file import CustomersError, read_customers

VALID = """
[[customer]]
name = "Acme"
scopes = ["acme"]
streams = ["live/acme-*"]
from = 2026-11-01

[[customer]]
name = "Acme"
streams = ["live/old"]
to = 2026-10-31
"""


def read(path: Path, content: str) -> str:
    """Return the message of the refusal."""
    path.write_text(content)
    with pytest.raises(CustomersError) as refused:
        read_customers(path)
    message = str(refused.value)
    assert str(path) in message
    return message


def test_entries_become_rules(tmp_path: Path) -> None:
    path = tmp_path / "customers.toml"
    path.write_text(VALID)
    rules = read_customers(path)
    assert len(rules) == 1
    october, november = rules.of_day(date(2026, 10, 31)), rules.of_day(date(2026, 11, 1))
    assert [one.customer_of(StreamId("live", "old")) for one in (october, november)] == ["Acme", None]
    assert [one.customer_of(StreamId("live", "acme-1")) for one in (october, november)] == [None, "Acme"]


def test_file_without_entries_has_no_customers(tmp_path: Path) -> None:
    path = tmp_path / "customers.toml"
    path.write_text("# nobody yet\n")
    assert len(read_customers(path)) == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[[customer]]\nscopes = ['a']", "customer, entry 1, name: Field required"),
        ("[[customer]]\nname = 'A'", "customer, entry 1: give scopes, streams or both"),
        ("[[customer]]\nname = 'A'\nscope = 'a'", "customer, entry 1, scope: Extra inputs"),
        ("[[customer]]\nname = 'A'\nscopes = 'a'", "customer, entry 1, scopes: Input should be a valid tuple"),
        ("[[customer]]\nname = 'no customer'\nscopes = ['a']", "is what figures without a customer are called"),
        ("[[customer]]\nname = 'not by stream'\nscopes = ['a']", "is what figures without a customer are called"),
        ('[[customer]]\nname = "A\\u001b[31m"\nscopes = ["a"]', "characters that cannot be seen"),
        ("[[customer]]\nname = 'A '\nscopes = ['a']", "characters that cannot be seen"),
        ("[[customer]]\nname = 'A'\nstreams = ['live']", "'live' is no stream: write scope/name"),
        (
            "[[customer]]\nname = 'A'\nscopes = ['a']\nfrom = 'soon'",
            "customer, entry 1, from: Input should be a valid date",
        ),
        (
            "[[customer]]\nname = 'A'\nscopes = ['a']\nfrom = 2026-11-02\nto = 2026-11-01",
            "to (2026-11-01) is before from",
        ),
        (
            "[[customer]]\nname = 'A'\nscopes = ['a']\n[[customer]]\nname = 'B'\nstreams = ['a/b']",
            "'a' of A and 'a/b' of B can be the same stream on every day",
        ),
        ("[[customer]\n", "is not valid TOML"),
    ],
)
def test_wrong_file_is_refused_by_entry(tmp_path: Path, content: str, reason: str) -> None:
    assert reason in read(tmp_path / "customers.toml", content)


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "customers.toml"
    with pytest.raises(CustomersError, match=r"cannot read the customers file .*: No such file"):
        read_customers(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CustomersError, match="is not UTF-8 text"):
        read_customers(path)
