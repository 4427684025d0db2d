"""Authentication of the kind that a server requires: Digest where it is offered, else Basic.

A password is sent in clear (Basic) only after the server requested it, and never to a server that offers Digest.
"""

import re
from collections.abc import Generator, Iterable
from ipaddress import ip_address
from itertools import pairwise

import httpx

_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9-]{0,30})(?=\s+[^\s=,]|\s*$|\s*,)(?!\s*=)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def parse_challenges(headers: Iterable[str]) -> dict[str, str]:
    """Return each challenge of `WWW-Authenticate` headers by its scheme in lower case. A header may have several."""
    challenges: dict[str, str] = {}
    for header in headers:
        # A quoted text may contain anything, also a comma and a scheme.
        masked = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), header)
        matches = list(_SCHEME.finditer(masked))
        bounds = [match.start(1) for match in matches] + [len(header)]
        for match, (start, end) in zip(matches, pairwise(bounds), strict=True):
            challenges.setdefault(match[1].lower(), header[start:end].rstrip(", "))
    return challenges


class ChallengedAuth(httpx.Auth):
    """The authentication of one user at one server. It is kept between requests: a challenge is valid for many."""

    def __init__(self, user: str, password: str) -> None:
        self._digest = httpx.DigestAuth(user, password)
        self._basic = httpx.BasicAuth(user, password)
        self._uses_basic = False
        """Whether the server requested Basic last. Requests then have the password at once."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """As `httpx.Auth.auth_flow`."""
        digest = self._digest.auth_flow(request)
        request = next(digest)  # with the answer to the last challenge, if there was one
        if self._uses_basic:
            request = next(self._basic.auth_flow(request))
        response = yield request
        if response.status_code != 401:
            return
        challenges = parse_challenges(response.headers.get_list("WWW-Authenticate"))
        if "digest" in challenges:
            self._uses_basic = False
            yield _answer_digest(digest, request, challenges["digest"])
        elif "basic" in challenges and not self._uses_basic:
            self._uses_basic = True
            yield next(self._basic.auth_flow(request))


def _answer_digest(
    digest: Generator[httpx.Request, httpx.Response, None], request: httpx.Request, challenge: str
) -> httpx.Request:
    """Return the request with the answer to a Digest challenge. Raises `httpx.ProtocolError`."""
    try:
        return digest.send(httpx.Response(401, headers={"WWW-Authenticate": challenge}, request=request))
    except (KeyError, NotImplementedError, StopIteration) as error:
        raise httpx.ProtocolError(f"unsupported Digest challenge: {error}", request=request) from None


def sends_secret_in_clear(request: httpx.Request) -> bool:
    """Return whether anyone between the agent and the server can read a secret in the headers of a request."""
    has_secret = request.headers.get("Authorization", "").lower().startswith(("basic ", "bearer "))
    return has_secret and request.url.scheme == "http" and not _is_this_machine(request.url.host)


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
