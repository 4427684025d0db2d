"""Authentication that a server asks for: the kinds, their order, and what is sent before and after a challenge."""

import base64
import logging

import httpx
import pytest

from streamusage.agent.reading import SourceError
from streamusage.agent.sources.common.http_auth import ChallengedAuth, parse_challenges
from streamusage.agent.sources.common.http_probe import HttpProbe, HttpStatusError
from tests.support.agent.http_answers import Answers, answer, answering
from tests.support.agent.media_servers import CLOCK, SECRET

BASIC = 'Basic realm="Wowza Streaming Engine REST"'
DIGEST = 'Digest realm="Wowza", nonce="abc", algorithm=MD5, qop="auth"'
ANSWER_BASIC = b"basic " + base64.b64encode(f"admin:{SECRET}".encode()).lower()


def authorization(request: bytes) -> bytes:
    """Return the header of a request in lower case; empty without one."""
    lines = [line for line in request.lower().split(b"\r\n") if line.startswith(b"authorization: ")]
    return lines[0].removeprefix(b"authorization: ") if lines else b""


def asking(*challenges: str, accepts: bytes) -> object:
    """Return a function that refuses every request whose authorization does not start with `accepts`."""

    def respond(request: bytes) -> bytes:
        if authorization(request).startswith(accepts):
            return answer(b"{}")
        headers = "".join(f"WWW-Authenticate: {challenge}\r\n" for challenge in challenges)
        return f"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n".encode()

    return respond


async def request_twice(answers: Answers, *challenges: str, accepts: bytes) -> list[bytes]:
    """Return the authorizations of the requests that two calls send."""
    answers.next = [asking(*challenges, accepts=accepts)]  # type: ignore[list-item]
    auth = ChallengedAuth("admin", SECRET)
    probe = HttpProbe(answers.url, "the server", CLOCK)
    try:
        for _ in range(2):
            await probe.get("status", auth=auth)
    finally:
        await probe.close()
    return [authorization(request) for request in answers.requests]


async def test_basic_is_spoken_only_after_the_server_asked_and_at_once_from_then_on() -> None:
    async with answering() as answers:
        sent = await request_twice(answers, BASIC, accepts=b"basic ")
    assert sent == [b"", ANSWER_BASIC, ANSWER_BASIC]


@pytest.mark.parametrize(
    "challenges", [(DIGEST,), (BASIC, DIGEST), (DIGEST, BASIC), (f"{BASIC}, {DIGEST}",), (f"{DIGEST}, {BASIC}",)]
)
async def test_password_is_never_sent_in_clear_where_digest_is_offered(challenges: tuple[str, ...]) -> None:
    async with answering() as answers:
        sent = await request_twice(answers, *challenges, accepts=b"digest ")
    assert [each.partition(b" ")[0] for each in sent] == [b"", b"digest", b"digest"]


async def test_digest_with_sha_256_is_spoken() -> None:
    async with answering() as answers:
        sent = await request_twice(answers, DIGEST.replace("MD5", "SHA-256"), accepts=b"digest ")
    assert b"algorithm=sha-256" in sent[1]


@pytest.mark.parametrize("digest", [DIGEST.replace("MD5", "ROT13"), DIGEST.replace('"auth"', '"auth-int"'), "Digest x"])
async def test_digest_that_is_not_supported_is_an_error_and_not_answered_with_basic(digest: str) -> None:
    async with answering() as answers:
        with pytest.raises(SourceError):
            await request_twice(answers, digest, BASIC, accepts=b"basic ")
        assert not any(authorization(request).startswith(b"basic") for request in answers.requests)


@pytest.mark.parametrize(("challenges", "named"), [((BASIC,), "Basic"), ((DIGEST,), "Digest"), (("Bearer",), "Bearer")])
async def test_refused_password_is_an_error_that_names_the_kind_and_not_the_password(
    challenges: tuple[str, ...], named: str
) -> None:
    async with answering() as answers:
        with pytest.raises(HttpStatusError, match=f"HTTP 401 and asks for {named} authentication; check") as refused:
            await request_twice(answers, *challenges, accepts=b"nothing")
        assert len(answers.requests) == (1 if named == "Bearer" else 2), "a refused password is sent once"
    assert SECRET not in str(refused.value)
    assert refused.value.schemes == {named.lower()}


@pytest.mark.parametrize(
    ("header", "schemes"),
    [
        (BASIC, ["basic"]),
        (f"{BASIC}, {DIGEST}", ["basic", "digest"]),
        ('Basic realm="a, Digest b"', ["basic"]),
        ("Negotiate", ["negotiate"]),
        ('Negotiate, Basic realm="x"', ["negotiate", "basic"]),
        ("Bearer token68==", ["bearer"]),
        ("", []),
        ("=,=,", []),
    ],
)
def test_challenges_are_read_from_one_header(header: str, schemes: list[str]) -> None:
    assert list(parse_challenges([header])) == schemes


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("http://wowza.example.org:8087", True),
        ("http://192.0.2.1", True),
        ("https://wowza.example.org:8087", False),
        ("http://localhost:8087", False),
        ("http://127.0.0.3", False),
        ("http://[::1]:8087", False),
    ],
)
async def test_password_over_http_to_another_machine_is_warned_of_once(
    url: str, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    auth = ChallengedAuth("admin", SECRET)

    def respond(request: httpx.Request) -> httpx.Response:
        challenge = {"WWW-Authenticate": BASIC}
        return httpx.Response(200 if request.headers.get("Authorization") else 401, headers=challenge)

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        for _ in range(2):
            assert (await http.get(url, auth=auth)).status_code == 200
    assert [SECRET in message for message in caplog.messages if "password_in_clear" in message] == [False] * warns
