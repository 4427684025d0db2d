"""Time stamps of access logs."""

import re

import pytest

from streamusage.access_logs.log_time import TIME_LOCAL, parse_time_local_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("01/Jan/1970:00:00:07 +0000", 7),
        ("21/Nov/2026:10:11:12 +0000", 1_795_255_872),
        ("21/Nov/2026:11:11:12 +0100", 1_795_255_872),
        ("21/Nov/2026:06:41:12 -0330", 1_795_255_872),
        ("31/Dec/1969:23:59:59 +0000", 0),
        ("30/Feb/2026:00:00:00 +0000", None),
        ("01/Foo/2026:00:00:00 +0000", None),
        ("01/Jan/2026:24:00:00 +0000", None),
        ("01/Jan/2026:00:00:00 +9900", None),
        ("01/Jan/0000:00:00:00 +0000", None),
    ],
)
def test_time_with_zone_is_seconds_since_1970_or_none(text: str, seconds: int | None) -> None:
    match = re.fullmatch(TIME_LOCAL, text)
    assert match
    assert parse_time_local_s(*match.groups()) == seconds
