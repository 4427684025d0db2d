"""Properties of all HTTP sources: usable readings from valid responses, a `SourceError` without secrets for others."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamusage.agent.reading import SourceError
from tests.support.agent.http_answers import answer
from tests.support.agent.media_servers import CLOCK, MEDIA_SERVERS, SECRET, meter_readings, open_source

MALFORMED_VALUES = st.sampled_from(
    [b"-1", b"9007199254740993", b"1e400", b'"x"', b"null", b"{}", b"[]", b"\x00", b"<!DOCTYPE x>", b"NaN", b'"' * 9]
)


@pytest.mark.parametrize("kind", MEDIA_SERVERS)
async def test_readings_can_be_metered_and_reported(kind: str) -> None:
    async with open_source(kind) as (source, _):
        first = await source.read(None)
        second = await source.read(first.cursor)
        assert await source.ended_between(first.cursor, second.cursor) == ()
    rows = meter_readings([first, second, msgspec.structs.replace(second, at=second.at + 20_000)])
    assert rows


@pytest.mark.parametrize("kind", MEDIA_SERVERS)
async def test_refused_connection_is_a_source_error_without_the_secret(kind: str, unused_tcp_port: int) -> None:
    source = MEDIA_SERVERS[kind].create_source(f"http://127.0.0.1:{unused_tcp_port}", CLOCK)
    with pytest.raises(SourceError, match=r"is .* running") as refused:
        await source.read(None)
    await source.close()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("kind", MEDIA_SERVERS)
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "302 Found", "500 Oops"])
async def test_other_status_is_a_source_error_without_the_secret(kind: str, status: str) -> None:
    async with open_source(kind) as (source, answers):
        answers.next = [answer(b"secret page", status)]
        with pytest.raises(SourceError, match=f"HTTP {status[:3]}") as refused:
            await source.read(None)
    assert SECRET not in str(refused.value)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("kind", MEDIA_SERVERS)
@given(data=st.data())
async def test_any_response_gives_a_reading_or_a_source_error(kind: str, data: st.DataObject) -> None:
    routes = dict(MEDIA_SERVERS[kind].routes)
    path = data.draw(st.sampled_from(sorted(routes)))
    body = routes[path]
    at = data.draw(st.integers(0, len(body) - 1))
    length = data.draw(st.integers(0, 40))
    routes[path] = body[:at] + data.draw(st.one_of(st.binary(max_size=30), MALFORMED_VALUES)) + body[at + length :]
    async with open_source(kind, routes) as (source, _):
        try:
            first = await source.read(data.draw(st.text(max_size=40)))
            second = await source.read(first.cursor)
        except SourceError:
            return
    meter_readings([first, second, msgspec.structs.replace(second, at=second.at + 20_000)])
