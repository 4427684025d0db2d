"""What the owner of a statement's file could change in it without the key of the service."""

from collections.abc import Callable, Iterator
from datetime import date
from random import Random
from typing import Any, NamedTuple

import msgspec

from streamusage.evidence import canonical_json
from streamusage.evidence.keys import StatementKey, rotate
from streamusage.evidence.statement import NamedKey, Statement, StatementDay, compose, parse, to_bytes
from streamusage.evidence.statement import StatementCorrection as Correction

Document = dict[str, Any]
Change = Callable[[Document], object]
SUMS = ("connections", "bytes_in", "bytes_out", "view_time_ms")


class Forgery(NamedTuple):
    """A changed statement with a signature."""

    name: str
    content: bytes
    signature: bytes | None


def _days_with_customers(document: Document) -> list[Document]:
    return [day for day in document["days"] if len(day.get("customers", {}).get("sums", ())) > 1]


def _raise_figures(document: Document) -> None:
    document["days"][0]["figures"]["bytes_out"] += 1_000
    for part in ("closed", "due"):
        document["totals"][part]["bytes_out"] += 1_000


def _exchange_servers(document: Document) -> None:
    first, second = document["days"][:2]
    first["figures"], second["figures"] = second["figures"], first["figures"]


def _move_between_customers(document: Document) -> None:
    one, other = _days_with_customers(document)[0]["customers"]["sums"][:2]
    one["bytes_out"] += 1
    other["bytes_out"] -= 1
    for row in document["customers"]:
        moved = (row["customer"] == one["customer"]) - (row["customer"] == other["customer"])
        for part in ("closed", "due"):
            row[part]["bytes_out"] += moved


def _rename_customer(document: Document) -> None:
    name = document["customers"][0]["customer"]
    of_days = [row for day in _days_with_customers(document) for row in day["customers"]["sums"]]
    of_days += [row for correction in document["corrections"] for row in correction["customers"]]
    of_rules = [row for rules in document["rules"] for row in rules["customers"]]
    for row in (*document["customers"], *of_days):
        if row["customer"] == name:
            row["customer"] = f"{name}!"
    for row in of_rules:
        if row["name"] == name:
            row["name"] = f"{name}!"


def _hide_gap(document: Document) -> None:
    for part in (document, *(day["figures"] for day in document["days"])):
        covered = part["coverage"]
        covered["live_ms"] += sum(covered[state] for state in ("missing_ms", "lost_ms", "partial_ms"))
        covered |= dict.fromkeys(("missing_ms", "lost_ms", "partial_ms"), 0)


def _drop_day(document: Document) -> None:
    figures = document["days"].pop(1)["figures"]
    for part in ("closed", "due"):
        for name in SUMS:
            document["totals"][part][name] -= figures[name]


def _raise_correction(document: Document) -> None:
    document["corrections"][0]["difference"]["bytes_out"] += 5
    for part in ("corrections", "due"):
        document["totals"][part]["bytes_out"] += 5


def _move_correction(document: Document) -> None:
    row = next(row for correction in document["corrections"] for row in correction["customers"])
    row["customer"] = "Acme" if row["customer"] != "Acme" else "Beta"


def _drop_corrections(document: Document) -> None:
    document["corrections"] = []
    document["totals"]["corrections"] = dict.fromkeys(SUMS, 0) | {"connections_by_protocol": {}}
    document["totals"]["due"] = document["totals"]["closed"]


CHANGES: tuple[tuple[str, Change], ...] = (
    ("figures of a day", _raise_figures),
    ("figures exchanged between servers", _exchange_servers),
    ("bytes moved between customers", _move_between_customers),
    ("a customer renamed", _rename_customer),
    ("time that is not accounted for", _hide_gap),
    ("a day left out", _drop_day),
    ("a day repeated", lambda document: document["days"].insert(0, document["days"][0])),
    ("days in another order", lambda document: document["days"].reverse()),
    ("a larger correction", _raise_correction),
    ("corrections left out", _drop_corrections),
    ("a correction repeated", lambda document: document["corrections"].append(document["corrections"][-1])),
    ("totals", lambda document: document["totals"]["due"].update(bytes_out=999_000_000_000)),
    ("totals of customers", lambda document: document["customers"][0]["due"].update(bytes_out=1)),
    ("customers of a day left out", lambda document: _days_with_customers(document)[0].pop("customers")),
    ("a correction of another customer", _move_correction),
    ("rules of customers", lambda document: document["rules"][0]["customers"][0].update(scopes=["x"])),
    ("rules left out", lambda document: document.pop("rules")),
    ("when a day was closed", lambda document: document["days"][0]["closing"].update(at=1)),
    ("who closed a day", lambda document: document["days"][0]["closing"].update(by="nobody", rule="operator")),
    ("sums by stream of a closing", lambda document: document["days"][0]["closing"].update(streams="0" * 64)),
    ("another month", lambda document: document["period"].update(first_day="2026-08-01")),
    ("another zone", lambda document: document.update(account_zone="UTC")),
    ("another service", lambda document: document.update(service="0" * 64)),
    ("the end of the chain", lambda document: document["chain"].update(hash="0" * 64)),
    ("an unknown field", lambda document: document.update(discount=5)),
    ("no key", lambda document: document.update(key=None)),
)


def list_forgeries(content: bytes, signature: bytes, foreign: StatementKey) -> Iterator[Forgery]:
    """Yield every change with the old signature, without one, and signed by a foreign key in its own name and another.

    Then those whose sums and hashes are computed anew, and one with an invented rotation.
    """
    for name, change in CHANGES:
        document = msgspec.json.decode(content)
        change(document)
        changed = canonical_json.encode(document)
        assert changed != content, name
        yield Forgery(f"{name}, old signature", changed, signature)
        yield Forgery(f"{name}, without a signature", changed, None)
        yield Forgery(f"{name}, signed by another key in the name of the key", changed, foreign.sign(changed))
        if document["key"] is not None:
            document["key"]["name"] = foreign.public.name
            renamed = canonical_json.encode(document)
            yield Forgery(f"{name}, signed by another key", renamed, foreign.sign(renamed))
    for name, key_name in (("in its name", foreign.public.name), ("in the name of the key", None)):
        rebuilt = _rebuild(parse(content), key_name)
        yield Forgery(
            f"all hashes and sums computed anew, signed by another key {name}", rebuilt, foreign.sign(rebuilt)
        )
        yield Forgery(f"all hashes and sums computed anew {name}, old signature", rebuilt, signature)
    yield _with_invented_rotation(content, foreign)


def _with_invented_rotation(content: bytes, foreign: StatementKey) -> Forgery:
    """Return the statement with a rotation from the key of the service to another, which only the latter signed."""
    document = msgspec.json.decode(content)
    successor = rotate(foreign, 1)
    rotation = msgspec.structs.replace(successor.rotations[0], earlier=document["key"]["name"])
    document["key"] = {"name": successor.public.name, "rotations": [msgspec.to_builtins(rotation)]}
    invented = canonical_json.encode(document)
    return Forgery("an invented rotation of keys", invented, successor.sign(invented))


def _rebuild(statement: Statement, key_name: str | None) -> bytes:
    """Return a statement with other figures in which every sum and every hash of the chain is right."""
    tz = statement.account_zone
    entries: list[tuple[int, StatementDay | Correction]] = [(day.closing.number, day) for day in statement.days]
    entries += [(correction.number, correction) for correction in statement.corrections]
    days: list[StatementDay] = []
    corrections: list[Correction] = []
    hashes: dict[int, str] = {}
    for number, row in sorted(entries, key=lambda entry: entry[0]):
        if isinstance(row, StatementDay):
            figures = msgspec.structs.replace(row.figures, bytes_out=row.figures.bytes_out + 7)
            previous = hashes.get(number - 1, row.closing.previous)
            closing = msgspec.structs.replace(row.closing, previous=previous)
            row = msgspec.structs.replace(row, figures=figures, closing=closing)
            days.append(row)
        else:
            row = msgspec.structs.replace(row, previous=hashes.get(number - 1, row.previous))
            corrections.append(row)
        hashes[number] = row.entry(tz).hash
    key = statement.key
    assert key is not None
    period = statement.period
    return to_bytes(
        compose(
            service=statement.service,
            key=NamedKey(name=key_name or key.name, rotations=key.rotations),
            account_zone=tz,
            first=date.fromisoformat(period.first_day),
            last=date.fromisoformat(period.last_day),
            only_server=None,
            days=days,
            voids=statement.voids,
            corrections=corrections,
            rules=statement.rules or (),
        )
    )


def changed_bytes(content: bytes, random: Random, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield contents with a byte that was changed, removed or added, at random places."""
    for _ in range(number):
        place, mask = random.randrange(len(content)), random.randrange(1, 256)
        yield f"byte {place} ^ {mask}", content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]
        yield f"without byte {place}", content[:place] + content[place + 1 :]
        yield f"{mask} before byte {place}", content[:place] + bytes([mask]) + content[place:]
