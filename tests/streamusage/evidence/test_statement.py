"""Every change of a statement is refused: single bytes, and what its owner could forge without the key."""

import random
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.evidence import canonical_json
from streamusage.evidence.keys import SIGNED_PREFIX, PublicKey, StatementKey, new_key, rotate
from streamusage.evidence.statement import NotStatementError, compose, parse, to_bytes
from streamusage.evidence.verification import check_fork, is_proven, verify
from tests.support.evidence import a_statement
from tests.support.needs import need

KEY = new_key()
STATEMENT = a_statement(KEY)
CONTENT = to_bytes(STATEMENT)
SIGNATURE = KEY.sign(CONTENT)
FOREIGN = new_key()
NOW = STATEMENT.period.to_ms + 1


def proves(content: bytes, signature: bytes | None, trusted: PublicKey | None = KEY.public) -> bool:
    """Return whether a statement in these bytes is proven."""
    try:
        statement = parse(content)
    except NotStatementError:
        return False
    return is_proven(statement, verify(content, statement, signature, trusted, NOW))


def failing(content: bytes, signature: bytes | None, trusted: PublicKey | None = KEY.public) -> set[str]:
    """Return the subjects that fail."""
    findings = verify(content, parse(content), signature, trusted, NOW).values()
    return {finding.subject for finding in findings if finding.verdict == "fails"}


def forged(change: Callable[[dict[str, Any]], None], key: StatementKey | None = None) -> tuple[bytes, bytes]:
    """Return a statement with a change, and its signature by another key, or the old one."""
    document = msgspec.json.decode(CONTENT)
    change(document)
    if key is not None:
        document["key"]["name"] = key.public.name
    content = canonical_json.encode(document)
    return content, SIGNATURE if key is None else key.sign(content)


def test_statement_as_it_was_signed_is_proven() -> None:
    assert proves(CONTENT, SIGNATURE)
    assert parse(CONTENT) == STATEMENT


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_every_change_of_a_byte_is_refused(at: int, change: int) -> None:
    changed = bytearray(CONTENT)
    changed[at] ^= change
    assert not proves(bytes(changed), SIGNATURE)


@given(st.integers(0, len(CONTENT)), st.binary(min_size=1, max_size=3))
def test_every_addition_is_refused(at: int, added: bytes) -> None:
    assert not proves(CONTENT[:at] + added + CONTENT[at:], SIGNATURE)


@given(st.integers(0, len(CONTENT) - 1))
def test_every_truncation_is_refused(length: int) -> None:
    assert not proves(CONTENT[:length], SIGNATURE)


@given(st.integers(0, 63), st.integers(1, 255))
def test_every_change_of_the_signature_is_refused(at: int, change: int) -> None:
    changed = bytearray(SIGNATURE)
    changed[at] ^= change
    assert not proves(CONTENT, bytes(changed))
    assert not proves(CONTENT, SIGNATURE[:at])


def _raise_totals(document: dict[str, Any]) -> None:
    document["totals"]["due"]["bytes_out"] = 999_000_000_000


def _raise_day(document: dict[str, Any]) -> None:
    document["days"][0]["figures"]["bytes_out"] += 1_000
    for name in ("closed", "due"):
        document["totals"][name]["bytes_out"] += 1_000


def _leave_out_a_day(document: dict[str, Any]) -> None:
    gone = document["days"].pop()["figures"]
    for name in ("closed", "due"):
        for figure in ("connections", "bytes_in", "bytes_out", "view_time_ms"):
            document["totals"][name][figure] -= gone[figure]
        for protocol, count in gone["connections_by_protocol"].items():
            document["totals"][name]["connections_by_protocol"][protocol] -= count
    for name, length in gone["coverage"].items():
        document["coverage"][name] -= length


def _exchange_days(document: dict[str, Any]) -> None:
    document["days"].reverse()


def _drop_correction(document: dict[str, Any]) -> None:
    document["corrections"] = []


def _hide_gap(document: dict[str, Any]) -> None:
    document["coverage"] |= {"live_ms": document["coverage"]["live_ms"] + 400_000 * 6, "lost_ms": 0}


def _move_period(document: dict[str, Any]) -> None:
    document["period"] |= {"first_day": "2027-10-24", "last_day": "2027-10-26"}


def _shift_day(document: dict[str, Any]) -> None:
    document["days"][0]["from_ms"] += 3_600_000


def _close_early(document: dict[str, Any]) -> None:
    document["days"][0]["closing"]["at"] = document["days"][0]["to_ms"] - 1


FORGERIES = [
    _close_early,
    _raise_totals, _raise_day, _leave_out_a_day, _exchange_days, _drop_correction, _hide_gap, _move_period, _shift_day,
]  # fmt: skip


@pytest.mark.parametrize("change", FORGERIES)
def test_forgery_is_refused_with_the_old_signature_and_with_a_new_one(change: Callable[[dict[str, Any]], None]) -> None:
    assert not proves(*forged(change))
    content, signature = forged(change, FOREIGN)
    assert not proves(content, signature)
    assert not proves(content, signature, None)
    assert "signature" in failing(content, signature)


def test_forger_who_signs_anew_is_caught_by_sums_or_chain_too() -> None:
    found = {change.__name__: failing(*forged(change, FOREIGN)) - {"signature"} for change in FORGERIES}
    assert found == {
        "_raise_totals": {"sums"},
        "_raise_day": {"chain"},
        "_leave_out_a_day": {"sums"},  # its servers, revision and chain stay behind
        "_exchange_days": {"sums"},
        "_drop_correction": {"sums", "chain"},
        "_hide_gap": {"sums"},
        "_move_period": {"sums"},
        "_shift_day": {"chain", "days"},
        "_close_early": {"sums", "chain"},
    }


def test_statement_of_the_future_is_refused() -> None:
    findings = verify(CONTENT, STATEMENT, SIGNATURE, KEY.public, STATEMENT.period.to_ms - 1)
    assert findings["days"].verdict == "fails"
    assert not is_proven(STATEMENT, findings)


def test_unknown_key_is_consistent_and_not_proven() -> None:
    findings = verify(CONTENT, STATEMENT, SIGNATURE, None, NOW)
    assert findings["signature"].verdict == "not checked"
    assert "consistent, signed by an unknown key" in findings["signature"].text
    assert not is_proven(STATEMENT, findings)


def test_statement_without_a_key_is_not_proven_by_itself() -> None:
    statement = a_statement(None)
    assert not proves(to_bytes(statement), None)
    assert not proves(to_bytes(statement), KEY.sign(to_bytes(statement)))


def test_rotations_connect_keys_in_both_directions() -> None:
    far = 4_000_000_000_000
    later = rotate(rotate(KEY, far), far + 1)
    content = to_bytes(a_statement(later))
    assert proves(content, later.sign(content)), "the old key is trusted, the new one has signed"
    assert proves(CONTENT, SIGNATURE, later.public), "the new key is trusted, the old one had signed"
    assert not proves(content, later.sign(content), FOREIGN.public)


def test_replaced_key_does_not_sign_what_happened_later() -> None:
    later = rotate(KEY, STATEMENT.days[0].closing.at)
    assert "signature" in failing(CONTENT, SIGNATURE, later.public)


def test_rotation_that_only_one_key_signed_connects_nothing() -> None:
    stolen = rotate(FOREIGN, 5)
    rotation = msgspec.structs.replace(stolen.rotations[0], earlier=KEY.public.name)
    thief = stolen._replace(rotations=(rotation,))
    content = to_bytes(a_statement(thief))
    assert not proves(content, thief.sign(content))


def test_openssl_verifies_the_signature(tmp_path: Path) -> None:
    need("openssl")
    (tmp_path / "key.pem").write_text(KEY.public.to_pem())
    (tmp_path / "signed").write_bytes(SIGNED_PREFIX + CONTENT)
    (tmp_path / "signature").write_bytes(SIGNATURE)
    command = [
        *("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin"),
        *("-in", "signed", "-sigfile", "signature"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "signed").write_bytes(CONTENT)
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_chains_that_contradict_each_other_are_found() -> None:
    other = a_statement(KEY, days=2, servers=3)
    assert check_fork([("a", STATEMENT), ("b", a_statement(KEY, days=2, correction=False))]) == []
    [finding] = check_fork([("a", STATEMENT), ("b", other)])
    assert "the chain was forked" in finding.text


def test_order_of_rows_does_not_change_the_bytes() -> None:
    days = list(STATEMENT.days)
    random.Random(7).shuffle(days)
    again = compose(
        service=STATEMENT.service,
        key=STATEMENT.key,
        account_zone=STATEMENT.account_zone,
        first=date.fromisoformat(STATEMENT.period.first_day),
        last=date.fromisoformat(STATEMENT.period.last_day),
        only_server=None,
        days=days,
        voids=STATEMENT.voids,
        corrections=STATEMENT.corrections,
    )
    assert to_bytes(again) == CONTENT
