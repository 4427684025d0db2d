"""Requests about alerts: the list, silences, and test messages."""

from collections.abc import Mapping
from typing import Protocol, TypeVar
from urllib.parse import quote

import msgspec

from streamusage.api.alerts import AlertList, DeliveryTest, DeliveryTestRequest, SilenceRequest, SilenceResult, Silences

Content = TypeVar("Content")

_SILENCES = "/api/v1/alerts/silences"


class CallAlerts(Protocol):
    """Sends a request of our extension and returns the decoded answer."""

    async def __call__(
        self, path: str, action: str, kind: type[Content], query: Mapping[str, str] | None = None,
        body: bytes | None = None, *, method: str = "",
    ) -> Content:  # fmt: skip
        """Return the answer. Raises the errors of `streamusage.client.errors`."""


class AlertsClient:
    """The alerts of a service; `UsageClient.alerts`."""

    def __init__(self, call: CallAlerts) -> None:
        self._call = call

    async def list(self) -> AlertList:
        """Return the alerts that are pending, fire or ended lately, and the receivers."""
        return await self._call("/api/v1/alerts", "read the alerts", AlertList)

    async def silences(self) -> Silences:
        """Return the silences that have not ended."""
        return await self._call(_SILENCES, "read the silences", Silences)

    async def silence(self, matchers: dict[str, str], for_ms: int, reason: str) -> SilenceResult:
        """Begin a silence now."""
        body = msgspec.json.encode(SilenceRequest(matchers, for_ms, reason))
        return await self._call(_SILENCES, "silence alerts", SilenceResult, body=body)

    async def end_silence(self, id: str) -> SilenceResult:
        """End a silence now."""
        path = f"{_SILENCES}/{quote(id, safe='')}"
        return await self._call(path, f"end the silence {id}", SilenceResult, method="DELETE")

    async def test(self, receiver: str) -> DeliveryTest:
        """Let the service send a test message to a receiver, and return what the receiver answered."""
        body = msgspec.json.encode(DeliveryTestRequest(receiver))
        return await self._call("/api/v1/alerts/test", f"test the receiver {receiver}", DeliveryTest, body=body)
