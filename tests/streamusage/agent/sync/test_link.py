"""Link to the service: only the service's own replies count, and no text contains the token."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamusage.agent.sync.link import ServiceLink, load_token
from streamusage.api.report import (
    Acknowledgement,
    Based,
    Baseline,
    EpochIssued,
    EpochRequest,
    PeakWindow,
    Refusal,
    Report,
    SlotRow,
)
from streamusage.client.errors import (
    InvalidAddressError,
    InvalidAnswerError,
    RefusedError,
    RequestError,
    UnreachableError,
)
from tests.support.agent.http_answers import Answers, answer, answering
from tests.support.waiting import LONGEST_WAIT_S

TOKEN = "t0ken-of-edge-1"
EPOCH_REQUEST = EpochRequest(journal="journal")
REPORT = Report(
    server="edge/1",
    role="edge",
    life="journal.1",
    epoch=3,
    since=0,
    upto=1,
    sent_at=5,
    sync_interval_ms=10_000,
    baseline=Baseline(
        at=5, boot="b", started_at=1, since=1, bytes_in=0, bytes_out=0, window=PeakWindow(at=5, bytes_in=0, bytes_out=0)
    ),
    slots=tuple(SlotRow(slot=60_000 * number, revision=1) for number in range(40)),
)


def json(value: object, status: str = "200 OK", **headers: str) -> bytes:
    return answer(msgspec.json.encode(value), status, Content_Type="application/json", **headers)


@pytest.fixture
async def server() -> AsyncIterator[Answers]:
    async with answering() as answers:
        yield answers


@pytest.fixture
async def link(server: Answers, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServiceLink]:
    monkeypatch.setenv("AGENT_TOKEN", TOKEN)
    link = ServiceLink(server.url + "/", "edge/1", load_token("AGENT_TOKEN", None), timeout_seconds=LONGEST_WAIT_S)
    yield link
    await link.close()


async def test_report_is_sent_compressed_and_its_acknowledgement_returned(server: Answers, link: ServiceLink) -> None:
    expected = Acknowledgement(epoch=3, acknowledged=1, now=6)
    server.next = [json(expected)]
    assert await link.send(REPORT) == expected
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v1/agents/edge%2F1/reports HTTP/1.1")
    assert f"authorization: bearer {TOKEN}".encode() in head.lower()
    assert msgspec.json.decode(gzip.decompress(body), type=Report) == REPORT


async def test_issued_epoch_is_returned(server: Answers, link: ServiceLink) -> None:
    expected = EpochIssued(epoch=4, based_on=Based(3, 7), now=6)
    server.next = [json(expected)]
    assert await link.issue_epoch(EPOCH_REQUEST) == expected
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v1/agents/edge%2F1/epochs ")
    assert msgspec.json.decode(body, type=EpochRequest) == EPOCH_REQUEST


@pytest.mark.parametrize(("status", "reason"), [("409 Conflict", "hole"), ("422 Unprocessable", "held")])
async def test_refusal_is_returned_as_a_reply(server: Answers, link: ServiceLink, status: str, reason: str) -> None:
    expected = {"errorMessage": "no", "timestamp": 1, "reason": reason, "epoch": 3, "acknowledged": 0}
    server.next = [json(expected, status)]
    assert await link.send(REPORT) == msgspec.convert(expected, Refusal)


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("401 Unauthorized", "configure a valid token"),
        ("403 Forbidden", "not valid for this server"),
        ("404 Not Found", "address of the usage service"),
        ("409 Conflict", "HTTP 409"),
        ("422 Unprocessable", "HTTP 422"),
        ("301 Moved", "HTTP 301"),
    ],
)
async def test_refusals_that_need_an_operator_raise_refused_with_a_hint(
    server: Answers, link: ServiceLink, status: str, hint: str
) -> None:
    server.next = [json({"errorMessage": "the \x1b[2Jservice says no", "timestamp": 1}, status)]
    with pytest.raises(RefusedError, match=hint) as refused:
        await link.send(REPORT)
    assert "service says no" in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert refused.value.status == int(status[:3])


@pytest.mark.parametrize(
    ("response", "retry_after"),
    [
        (answer(b"", "503 Unavailable", Retry_After="7"), 7.0),
        (answer(b"", "429 Too Many", Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"), 0.0),
        (answer(b"", "429 Too Many", Retry_After="soon"), None),
        (answer(b"", "502 Bad Gateway", Retry_After="nan"), None),
        (answer(b"", "503 Unavailable", Retry_After="99999999"), 3600.0),
        (answer(b"<html>bad gateway</html>", "502 Bad Gateway"), None),
        (answer(b"<html>please log in</html>"), None),
        (json({"hello": 1}), None),
        (json({"epoch": -1, "acknowledged": 1, "now": 1}), None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", None),
        (b"garbage\r\n\r\n", None),
        (b"", None),
        (answer(b"not gzip", Content_Encoding="gzip"), None),
    ],
)
async def test_other_replies_raise_an_error_for_a_retry(
    server: Answers, link: ServiceLink, response: bytes, retry_after: float | None
) -> None:
    server.next = [response]
    with pytest.raises((UnreachableError, InvalidAnswerError)) as error:
        await link.send(REPORT)
    assert error.value.retry_after_seconds == retry_after
    assert TOKEN not in str(error.value)


async def test_unreachable_service_is_named_with_a_hint(unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_TOKEN", TOKEN)
    link = ServiceLink(f"http://127.0.0.1:{unused_tcp_port}", "edge-1", load_token("AGENT_TOKEN", None))
    with pytest.raises(UnreachableError, match="could not get an epoch: nothing answers there") as error:
        await link.issue_epoch(EPOCH_REQUEST)
    assert str(error.value).startswith(f"http://127.0.0.1:{unused_tcp_port}: ")
    assert "may have been carried out" not in str(error.value)
    await link.close()


async def test_token_file_is_read_at_each_request(server: Answers, tmp_path: Path) -> None:
    file = tmp_path / "token"
    link = ServiceLink(server.url, "edge-1", load_token(None, file))
    server.next = [json(EpochIssued(epoch=1, based_on=Based(0, 0), now=1))]
    with pytest.raises(InvalidAddressError, match="cannot be read"):
        await link.issue_epoch(EPOCH_REQUEST)
    file.write_text("\n")
    with pytest.raises(InvalidAddressError, match="is empty"):
        await link.issue_epoch(EPOCH_REQUEST)
    for wrong in ("sec ret", "sec\nret", "sec\u2028ret"):
        file.write_text(wrong, "utf-8")
        with pytest.raises(InvalidAddressError, match="must be one line of printable ASCII") as refused:
            await link.issue_epoch(EPOCH_REQUEST)
        assert "sec" not in str(refused.value)
    for token in ("first", "second"):
        file.write_text(token + "\n")
        await link.issue_epoch(EPOCH_REQUEST)
        assert f"bearer {token}\r\n".encode() in server.requests[-1].lower()
    assert len(server.requests) == 2
    await link.close()


async def test_error_names_an_unset_token_variable(server: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    link = ServiceLink(server.url, "edge-1", load_token("NO_SUCH_TOKEN", None))
    with pytest.raises(InvalidAddressError, match="NO_SUCH_TOKEN"):
        await link.issue_epoch(EPOCH_REQUEST)
    await link.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=120), st.sampled_from(["200 OK", "409 Conflict", "422 No", "400 Bad", "204 Nothing"]))
async def test_any_invalid_reply_raises_a_request_error(body: bytes, status: str) -> None:
    async with answering() as answers:
        answers.next = [answer(body, status, Content_Type="application/json")]
        link = ServiceLink(answers.url, "edge-1", lambda: TOKEN, timeout_seconds=LONGEST_WAIT_S)
        with pytest.raises(RequestError):
            await link.send(REPORT)
        await link.close()
