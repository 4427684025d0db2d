"""Disagreements of a closed day as its closing keeps them and as statements have them. Pure.

A closing has those that were open when the day was closed: what later reports explain stays in it.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

import msgspec

from streamusage.api.disagreements import SIDES, ComparedFigure, Disagreement, DisagreementKind
from streamusage.evidence.canonical_json import encode

MOST_HOURS = 26
"""No accounting day has more hours."""


class SignedDisagreement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same two figures in all hours of a day in which they disagree."""

    kind: DisagreementKind
    server: str
    scope: str
    """The stream; empty if the figures are of the whole server."""
    name: str
    edges: list[str]
    figure: ComparedFigure
    hours: int
    """In how many hours they disagree."""
    first: int
    """The sum over these hours; of viewers, which are counted since the log began to lack them, the highest number."""
    second: int
    """The same of the other figure, see `streamusage.api.disagreements`."""

    def of_hours(self) -> Disagreement:
        """Return it as a disagreement of the API, for its words."""
        return Disagreement(
            hour=0,
            kind=self.kind,
            server=self.server,
            figure=self.figure,
            first=self.first,
            second=self.second,
            found_at=0,
            scope=self.scope,
            name=self.name,
            edges=tuple(self.edges),
        )


_Key = tuple[str, str, str, str]


def sum_disagreements(found: Iterable[Disagreement]) -> list[SignedDisagreement]:
    """Return the disagreements of the hours of a day, those of the same figures as one, in their order."""
    by_key: dict[_Key, list[Disagreement]] = {}
    for row in found:
        by_key.setdefault((row.kind, row.server, row.scope, row.name), []).append(row)
    return [_sum(rows) for _, rows in sorted(by_key.items())]


def _sum(rows: Sequence[Disagreement]) -> SignedDisagreement:
    newest = rows[-1]
    first, second = sum(row.first for row in rows), sum(row.second for row in rows)
    if newest.figure == "viewers":
        first, second = max((row.first, row.second) for row in rows)
    return SignedDisagreement(
        kind=newest.kind,
        server=newest.server,
        scope=newest.scope,
        name=newest.name,
        edges=sorted({edge for row in rows for edge in row.edges}),
        figure=newest.figure,
        hours=len(rows),
        first=first,
        second=second,
    )


def hash_of_disagreements(rows: Sequence[SignedDisagreement]) -> str:
    """Return the SHA-256 of the canonical JSON of disagreements."""
    return sha256(encode(rows)).hexdigest()


def find_disagreement_contradictions(label: str, server: str, rows: Sequence[SignedDisagreement]) -> Iterator[str]:
    """Yield what contradicts itself in the disagreements of the closed day of a server, which `label` names."""
    keys = [(row.kind, row.server, row.scope, row.name) for row in rows]
    if keys != sorted(set(keys)) or not rows:
        yield f"a disagreement of {label} is listed twice, or they are not in order"
    if any(row.kind not in SIDES or not 0 < row.hours <= MOST_HOURS or row.first == row.second for row in rows):
        yield f"a disagreement of {label} has no difference, or more hours than a day"
    if any(server not in (row.server, *row.edges) for row in rows):
        yield f"{label} has a disagreement of other servers"
