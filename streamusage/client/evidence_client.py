"""Requests for evidence: statements, the chain of closings, corrections of closed days, and disagreements."""

from collections.abc import Mapping
from datetime import date
from typing import Protocol, TypeVar

import msgspec

from streamusage.api.disagreements import Disagreements
from streamusage.api.evidence import Chain, CorrectionResult, Corrections, SignedStatement
from streamusage.client.requests import days_query

Content = TypeVar("Content")


class CallExtension(Protocol):
    """Sends a request of our extension: a POST if it has a body, else a GET. Returns the decoded answer."""

    async def __call__(
        self, path: str, action: str, kind: type[Content], query: Mapping[str, str] | None = None, *,
        body: bytes | None = None,
    ) -> Content:  # fmt: skip
        """Return the answer. Raises the errors of `streamusage.client.errors`."""


class EvidenceClient:
    """The evidence of a service; `UsageClient.evidence`."""

    def __init__(self, call: CallExtension) -> None:
        self._call = call

    async def statement(self, first: date, last: date, tz: str, *, server: str | None = None) -> SignedStatement:
        """Return the statement of closed days with its signature."""
        return await self._call(
            "/api/v1/statement", "read the statement", SignedStatement, days_query(first, last, tz, server)
        )

    async def chain(self, first: int, last: int, *, limit: int = 10_000) -> Chain:
        """Return entries of the chain of closings from one number to another, at most `limit`."""
        query = {"first": str(first), "last": str(last), "limit": str(limit)}
        return await self._call("/api/v1/chain", "read the chain of closings", Chain, query)

    async def corrections(self, first: date, last: date, tz: str, *, server: str | None = None) -> Corrections:
        """Return the corrections of closed days, proposed and approved."""
        return await self._call(
            "/api/v1/corrections", "read the corrections", Corrections, days_query(first, last, tz, server)
        )

    async def disagreements(self, from_ms: int, to_ms: int, *, server: str | None = None) -> Disagreements:
        """Return the disagreements of the hours that overlap a time, of one server or of all."""
        query = {"from": str(from_ms), "to": str(to_ms)} | ({} if server is None else {"server": server})
        return await self._call("/api/v1/disagreements", "read the disagreements", Disagreements, query)

    async def propose(self, day: date, tz: str, server: str, reason: str) -> CorrectionResult:
        """Propose what is pending in a closed day of a server as a correction."""
        body = msgspec.json.encode({"day": day.isoformat(), "tz": tz, "server": server, "reason": reason})
        return await self._call(
            "/api/v1/corrections", f"propose a correction of {day} of {server}", CorrectionResult, body=body
        )

    async def approve(self, number: int) -> CorrectionResult:
        """Approve a correction that another token or the service proposed."""
        body = msgspec.json.encode({"id": number})
        return await self._call(
            "/api/v1/corrections/approve", f"approve correction {number}", CorrectionResult, body=body
        )

    async def reverse(self, number: int, reason: str) -> CorrectionResult:
        """Propose to take an approved correction back."""
        body = msgspec.json.encode({"id": number, "reason": reason})
        return await self._call(
            "/api/v1/corrections/reverse", f"reverse correction {number}", CorrectionResult, body=body
        )
