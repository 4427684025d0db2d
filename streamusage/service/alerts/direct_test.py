"""Sends a test message to a receiver of an alerts file, without a service. `streamtop alerts test --file` calls it."""

import asyncio
import secrets
from pathlib import Path

from streamusage.api.alerts import DeliveryTest
from streamusage.core.clock import SystemClock
from streamusage.core.text import quote_input
from streamusage.service.alerts.alerts_file import read_alerts
from streamusage.service.alerts.messages import compose_test
from streamusage.service.alerts.posting import Poster
from streamusage.service.alerts.settings import AlertsFileError


def send_test(path: Path, name: str) -> DeliveryTest:
    """Send a test message and return what the receiver answered. Raises `AlertsFileError`."""
    settings = read_alerts(path)
    receiver = settings.receiver(name)
    if receiver is None:
        known = ", ".join(known.name for known in settings.receivers) or "none"
        raise AlertsFileError(f"{path} has no receiver {quote_input(name)}; nothing was sent; known: {known}")
    now_ms = SystemClock().now_ms()
    message = compose_test(name, settings.sending.name, secrets.token_hex(16), now_ms)

    async def send() -> DeliveryTest:
        poster = Poster()
        try:
            attempt = await poster.post(receiver, message, now_ms)
        finally:
            await poster.close()
        return DeliveryTest(
            now=now_ms,
            receiver=name,
            is_delivered=attempt.is_delivered,
            status=attempt.status,
            took_ms=attempt.took_ms,
            answer=attempt.answer,
        )

    return asyncio.run(send())
