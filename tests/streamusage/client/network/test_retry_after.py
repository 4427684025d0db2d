"""`Retry-After` as seconds and as a date, which is compared with the service's own clock."""

import pytest

from streamusage.client.errors import UnreachableError
from streamusage.client.network.retry_after import retry_after_seconds
from tests.support.canned_answers import reply
from tests.support.client_failures import failure_of


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("99999999", 3600.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_seconds_of_the_header(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, 10_000) == seconds


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_failure_has_the_seconds_by_the_clock_of_the_service(status: int) -> None:
    failure = await failure_of(
        reply(status, Retry_After="Thu, 01 Jan 2015 00:01:00 GMT", Date="Thu, 01 Jan 2015 00:00:00 GMT")
    )
    assert isinstance(failure, UnreachableError)
    assert failure.retry_after_seconds == 60.0
