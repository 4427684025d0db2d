"""Verification of a statement: what holds, what does not, and what could not be checked. Pure.

Four things are independent of each other, and each is answered in a sentence: whether the signature is one of the key
that the statement names, and that key the one that the reader trusts; whether the entries of the chain have the hashes
of the figures; whether the sums follow from the days; and whether the service has the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from streamusage.api.daily import VoidEntry
from streamusage.api.evidence import ChainRow
from streamusage.evidence.chain import find_break
from streamusage.evidence.keys import PublicKey, find_rotation_fault
from streamusage.evidence.statement import Statement, find_contradictions, find_moved_bounds

Verdict = Literal["holds", "fails", "not checked"]
MOST_NAMED = 5


class Finding(NamedTuple):
    """The answer to one question about a statement."""

    subject: str
    verdict: Verdict
    text: str


def check_signature(
    statement: Statement, content: bytes, signature: bytes | None, trusted: PublicKey | None
) -> Finding:
    """Return whether a statement is signed by the trusted key, or by one that its rotations connect with it."""
    subject = "signature"
    if statement.key is None:
        return Finding(subject, "not checked", "the statement is not signed: the service had no key")
    if signature is None:
        return Finding(subject, "fails", "there is no signature")
    key = PublicKey(statement.key.name, tuple(statement.key.rotations))
    if not key.has_signed(content, signature):
        return Finding(subject, "fails", f"it is not the signature of these bytes by {key.name}")
    if problem := find_rotation_fault(key.rotations, key.name):
        return Finding(subject, "fails", problem)
    if trusted is None:
        return Finding(
            subject, "not checked", f"consistent, signed by an unknown key: {key.name}; --key names the key to trust"
        )
    if key.name == trusted.name:
        return Finding(subject, "holds", f"signed by the trusted key {key.name}")
    return _connected(statement, key, trusted)


def _connected(statement: Statement, key: PublicKey, trusted: PublicKey) -> Finding:
    """Return whether rotations lead from the trusted key to that of the statement, or the other way."""
    for rotation in key.rotations:
        if rotation.earlier == trusted.name:
            text = f"signed by {key.name}, which replaced the trusted key {trusted.name}, {_utc(rotation.at)}"
            return Finding("signature", "holds", text)
    for rotation in trusted.rotations:
        if rotation.earlier == key.name:
            newest = max((row.closing.at for row in statement.days), default=0)
            newest = max([newest, *(row.approved_at for row in statement.corrections)])
            if newest >= rotation.at:
                return Finding(
                    "signature",
                    "fails",
                    f"signed by {key.name}, which was replaced {_utc(rotation.at)}, but it contains what happened "
                    f"{_utc(newest)}",
                )
            text = f"signed by {key.name}, which the trusted key {trusted.name} replaced {_utc(rotation.at)}"
            return Finding("signature", "holds", text)
    return Finding("signature", "fails", f"signed by {key.name}, which is not the trusted key {trusted.name}")


def check_chain(statement: Statement) -> Finding:
    """Return whether the entries of the chain in a statement continue each other and have the hashes of its figures."""
    entries = statement.entries()
    problem = find_break(entries)
    if problem is None and not entries:
        return Finding("chain", "holds", "it has no entries")
    end = None if statement.chain is None else (statement.chain.number, statement.chain.hash)
    if problem is None and end != (entries[-1].number, entries[-1].hash):
        problem = "its last entry does not have the hash of its figures"
    if problem is not None:
        return Finding("chain", "fails", problem)
    numbers = f"{entries[0].number} to {entries[-1].number}"
    return Finding("chain", "holds", f"{len(entries)} entries among {numbers} have the hashes of the figures")


def check_sums(statement: Statement) -> Finding:
    """Return whether all sums follow from the days and corrections, and these belong to the period."""
    problems = find_contradictions(statement)
    if problems:
        return Finding("sums", "fails", _named(problems))
    days, corrections = len(statement.days), len(statement.corrections)
    return Finding(
        "sums", "holds", f"all follow from {_counted(days, 'day')} and {_counted(corrections, 'correction')}"
    )


def check_bounds(statement: Statement, now_ms: int) -> Finding:
    """Return whether the days begin and end where this machine's time zone data has it, and are over by its clock."""
    if statement.period.to_ms > now_ms:
        text = f"the period ends {_utc(statement.period.to_ms)}, but it is {_utc(now_ms)} by this machine's clock"
        return Finding("days", "fails", text)
    moved = find_moved_bounds(statement)
    if moved:
        versions = ", ".join(statement.zone_data)
        return Finding("days", "fails", f"{_named(moved)}; the statement has time zone data {versions}")
    return Finding("days", "holds", f"midnight to midnight in {statement.account_zone}")


def check_service(
    statement: Statement, place: str, service: str, rows: Iterable[ChainRow], voids: Iterable[VoidEntry]
) -> Finding:
    """Return whether the service at `place` has the same entries in its chain, and none of them is void by now."""
    if service != statement.service:
        text = f"{place} is another service ({service}) than the one of the statement ({statement.service})"
        return Finding("service", "fails", text)
    known = {row.number: row.hash for row in rows}
    entries = statement.entries()
    missing = [entry.number for entry in entries if entry.number not in known]
    if missing:
        text = f"the chain of {place} has no entry {missing[0]}: it was restored from an older copy since"
        return Finding("service", "fails", text)
    other = [entry.number for entry in entries if known[entry.number] != entry.hash]
    if other:
        text = (
            f"the chain of {place} has another entry {other[0]}: it was restored from an older copy, or the figures "
            "of the statement are not those that it closed"
        )
        return Finding("service", "fails", text)
    stated = {(row.server, row.day, row.closing.revision) for row in statement.days}
    stated |= {(row.server, row.day, row.revision) for row in statement.corrections}
    void = [entry for entry in voids if (entry.server, entry.day, entry.revision) in stated]
    if void:
        named = [f"{entry.day} of {entry.server}, revision {entry.revision}: {entry.reason}" for entry in void]
        return Finding("service", "fails", f"void by now at {place}: {_named(named)}; export the days again")
    return Finding("service", "holds", f"{place} has the same {_counted(len(entries), 'entry', 'entries')}")


def check_fork(statements: Sequence[tuple[str, Statement]]) -> list[Finding]:
    """Return the statements, by name, whose chains contradict each other: the service was restored between them."""
    seen: dict[tuple[str, int], tuple[str, str]] = {}
    found = []
    for name, statement in statements:
        for entry in statement.entries():
            before = seen.setdefault((statement.service, entry.number), (entry.hash, name))
            if before[0] != entry.hash:
                text = f"entry {entry.number} of {name} is another one than in {before[1]}: the chain was forked"
                found.append(Finding("chain", "fails", text))
                break
    return found


def verify(
    content: bytes, statement: Statement, signature: bytes | None, trusted: PublicKey | None, now_ms: int
) -> dict[str, Finding]:
    """Return all findings that need no service, by subject. `now_ms` is this machine's clock."""
    findings = [
        check_signature(statement, content, signature, trusted),
        check_chain(statement),
        check_sums(statement),
        check_bounds(statement, now_ms),
    ]
    return {finding.subject: finding for finding in findings}


def is_proven(statement: Statement, findings: Mapping[str, Finding]) -> bool:
    """Return whether nothing fails, and the signature is one of the trusted key.

    A statement without a signature is proven where the service has the same.
    """
    if any(finding.verdict == "fails" for finding in findings.values()):
        return False
    proof = findings.get("service" if statement.key is None else "signature")
    return proof is not None and proof.verdict == "holds"


def _named(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else ""
    return "; ".join(texts[:MOST_NAMED]) + more


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _utc(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return f"at {at_ms} ms"
