"""What is not seen at several services: their own servers, and services that do not answer."""

from datetime import UTC

import pytest

from streamusage.api.extension import ServerStatus
from tui.model.services.servers import SilentService, UnseenInServices

NOW = 1_795_262_400_000
MINUTE = 60_000
SILENT = SilentService("us", NOW - 5 * MINUTE, 437)
UNSEEN = ServerStatus(server="edge-3", role="edge", state="unreachable", owed_ms=3 * MINUTE, watermark=NOW - 3 * MINUTE)
SEEN = ServerStatus(server="edge-1", role="edge", state="live", active_subscribers=251)


@pytest.mark.parametrize(
    ("silent", "servers", "watched", "expected"),
    [
        ([SILENT], {}, [], "us unseen since 11:55: had 437"),
        ([], {"eu": [SEEN, UNSEEN]}, [90], "eu:edge-3 unseen since 11:57: had 90"),
        ([SILENT], {"eu": [UNSEEN]}, [90], "us, eu:edge-3 unseen since 11:55: had 527"),
        ([SILENT], {"eu": [UNSEEN]}, [0], "us, eu:edge-3 unseen since 11:55"),
    ],
)
def test_services_and_servers_that_are_not_seen_are_described_with_what_they_had(
    silent: list[SilentService], servers: dict[str, list[ServerStatus]], watched: list[int], expected: str
) -> None:
    unseen = UnseenInServices(lambda: silent, lambda: servers, lambda: watched)
    assert unseen.describe(NOW, UTC) == expected
