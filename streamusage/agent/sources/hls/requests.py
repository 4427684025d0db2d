"""Requests for streams: whose they are, and whether they are watching or only traffic. Pure.

`RequestRules.apply` turns a request of a web server's log into a request of a stream's viewer. Whatever a rule looks
at is in the request itself, so the order of the lines and the reader of the log change nothing.
"""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple
from urllib.parse import unquote

from streamusage.access_logs.media_paths.media_path import Kind, MediaFile
from streamusage.access_logs.media_paths.name_parts import words
from streamusage.access_logs.web.request import WebRequest
from streamusage.agent.sources.common.ignored import NOTHING_IGNORED, IgnoreRules
from streamusage.agent.sources.common.networks import Network, client_address

Standing = Literal[
    "watching", "playlist", "init", "other file", "no GET", "refused", "ignored", "CDN"
]  # fmt: skip
"""Why a request counts as watching, or as traffic only."""

_STANDINGS: dict[Kind, Standing] = {
    "playlist": "playlist",
    "init": "init",
    "segment": "watching",
    "part": "watching",
    "other": "other file",
}

WATCHING_STATUS = frozenset((200, 206, 304))
_REMEMBERED = 20_000
"""How many decisions about paths and clients are remembered."""

_QUERY_SESSIONS = words("sid session sessionid session_id hls_ctx nimblesessionid aws.sessionid")
_COOKIE_SESSIONS = _QUERY_SESSIONS | words(
    "hls_session hlssession playback_session jsessionid phpsessid asp.net_sessionid connect.sid"
)
_VIEWER_TOKEN = re.compile(r"(/(?:media|chunklist|playlist|chunk|segment|part)(?:_[^/_]+)*?)_w\d+(?=[_.])")
_CMCD_SESSION = re.compile(r'(?:^|[,\s])sid="?([^",\s]{1,128})')
_CDN = re.compile(
    r"cloudfront|fastly|akamai|cloudflare|varnish|cdn77|keycdn|bunny ?cdn|gcdn|edgecast|ecacc|ecs \(|limelight|llnw"
    r"|stackpath|google-?(?:cloud-?)?cdn|media-?cdn"
    r"|azure ?(?:cdn|front ?door)|alibaba ?cdn|tencent ?cdn|cdnetworks|nginx-cdn",
    re.IGNORECASE,
)
"""Names by which the caches of content delivery networks introduce themselves."""


Fetch = tuple[Kind, str, int | None]
"""Identity of a segment in its stream: kind, rendition and sequence number."""


class StreamFile(NamedTuple):
    """A file of a stream, as it is compared in each request for it."""

    stream: tuple[str, str]
    """Scope and name."""
    kind: Kind
    sequence: int | None
    fetch: Fetch
    standing: Standing
    """Standing of a successful request for it."""


class HlsRequest(NamedTuple):
    """A request for a file of a stream."""

    at: int
    """UTC milliseconds."""
    file: StreamFile
    viewer: str
    """Identity of the client: its session id, or its address and user agent."""
    has_session: bool
    standing: Standing
    status: int
    """HTTP status: 200 for a whole file, 206 for a range, which may be the whole file too, 304 for none of it."""
    bytes_out: int


_new_request = tuple.__new__
"""A quick way to make a named tuple."""

_ClientStanding = Literal["watching", "ignored", "CDN"]


class _Client(NamedTuple):
    """What an address and a user agent decide."""

    identity: str
    standing: _ClientStanding


class RequestRules:
    """The configured rules. Decisions about paths and clients are remembered, because live viewers repeat them."""

    def __init__(
        self,
        classify: Callable[[str], MediaFile | None],
        trusted_proxies: tuple[Network, ...] = (),
        ignored: IgnoreRules = NOTHING_IGNORED,
        *,
        removes_tokens: bool = True,
    ) -> None:
        """`removes_tokens`: names without the tokens that Wowza writes into them are files of the same stream."""
        self._classify = classify
        self._removes_tokens = removes_tokens
        self._trusted = trusted_proxies
        self._ignored = ignored
        self._files: dict[str, StreamFile | None] = {}
        self._clients: dict[tuple[tuple[str, ...], str, str], _Client] = {}
        self._agents: dict[tuple[str, str], _ClientStanding] = {}

    def apply(self, request: WebRequest) -> HlsRequest | None:
        """Return the request of a viewer; None for a request that is for no file of a stream."""
        at, _, addresses, method, target, status, bytes_out, user_agent, session, cookie, cmcd, _, via, _ = request
        path, _, query = target.partition("?")
        file = self.find_file(path)
        if file is None:
            return None
        client = self._clients.get((addresses, user_agent, via)) or self._find_client(request)
        identity: str = client.identity
        standing: Standing = client.standing
        has_session = False
        if query or session or cmcd or cookie:
            found = _find_session(request, query)
            identity, has_session = found or identity, found != ""
        if standing == "watching":
            standing = file.standing if status in WATCHING_STATUS else "refused"
            if method != "GET":
                standing = "no GET"
        return _new_request(HlsRequest, (at, file, identity, has_session, standing, status, bytes_out))

    def find_file(self, path: str) -> StreamFile | None:
        """Return the file of a stream at a path; None for another path."""
        try:
            return self._files[path]
        except KeyError:
            pass
        if self._removes_tokens and "_w" in path and (without := _VIEWER_TOKEN.sub(r"\1", path)) != path:
            # Each viewer has names of its own, which need not be remembered.
            return self.find_file(without)
        if len(self._files) >= _REMEMBERED:
            self._files.clear()
        file = self._files[path] = _stream_file(self._classify(path))
        return file

    def _find_client(self, request: WebRequest) -> _Client:
        if len(self._clients) >= _REMEMBERED:
            self._clients.clear()
        client = self._describe_client(request)
        self._clients[request.addresses, request.user_agent, request.via] = client
        return client

    def _describe_client(self, request: WebRequest) -> _Client:
        address = client_address(request.addresses, self._trusted)
        agent = (request.user_agent, request.via)
        standing = self._agents.get(agent)
        if standing is None:
            if len(self._agents) >= _REMEMBERED:
                self._agents.clear()
            standing = self._agents[agent] = "CDN" if find_cdn(request) else "watching"
        if self._ignored.matches(address, request.user_agent):
            standing = "ignored"
        return _Client(f"{address} {request.user_agent}", standing)


def find_cdn(request: WebRequest) -> str:
    """Return the name of the content delivery network whose cache sent a request; empty for other clients."""
    match = _CDN.search(request.user_agent) or _CDN.search(request.via)
    return match[0] if match else ""


def _stream_file(file: MediaFile | None) -> StreamFile | None:
    if file is None:
        return None
    fetch = (file.kind, file.rendition, file.sequence)
    return StreamFile((file.scope, file.name), file.kind, file.sequence, fetch, _STANDINGS[file.kind])


def _find_session(request: WebRequest, query: str) -> str:
    """Return the id of the playback session, from the first place that has one; empty without one."""
    if request.session not in ("", "-"):
        return f"sid {request.session}"
    cmcd = request.cmcd
    if query:
        for parameter in query.split("&", 64)[:64]:
            name, _, value = parameter.partition("=")
            lower = name.lower()
            if value and lower in _QUERY_SESSIONS:
                return f"{lower} {value[:256]}"
            if lower == "cmcd":
                cmcd = unquote(value[:4096])
    if cmcd not in ("", "-") and (match := _CMCD_SESSION.search(cmcd)):
        return f"cmcd {match[1]}"
    return "" if request.cookie in ("", "-") else _find_cookie_session(request.cookie)


def _find_cookie_session(cookie: str) -> str:
    """Return the session in a `Cookie` header, or a whole value where the log has the value of one cookie only."""
    if "=" not in cookie:
        return f"cookie {cookie[:256]}"
    for pair in cookie.split(";", 64)[:64]:
        name, _, value = pair.strip().partition("=")
        if value and name.lower() in _COOKIE_SESSIONS:
            return f"cookie {value[:256]}"
    return ""
