"""Questions to a media server's HTTP interface: an answer that can be used, or a `SourceError` that an operator can.

No text names a user, a password, a token or a query. Names that come from servers are kept within what a report holds.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import quote
from xml.etree.ElementTree import Element, ParseError, XMLParser

import httpx
import msgspec
from msgspec import Meta

from streamusage.agent.config.secrets import Secret
from streamusage.agent.reading import SourceError

LARGEST_ANSWER_BYTES = 32 << 20
"""More than a hundred thousand clients. A larger answer is not statistics."""

LARGEST_COUNT = 2**53

LONGEST_NAME = 1000
LONGEST_ID = 36

Count = Annotated[int, Meta(ge=0, le=LARGEST_COUNT)]
"""A number as servers count: whole, not negative, and exact in JSON."""

QUESTIONS_AT_ONCE = 4

Answer = TypeVar("Answer")
Asked = TypeVar("Asked")


class Asker:
    """One media server's HTTP interface. Paths are joined from parts that are quoted one by one.

    The URL may carry a user, a password and a query, which are sent and never shown.
    """

    def __init__(
        self,
        url: str,
        what: str,
        *,
        timeout_seconds: float = 5.0,
        http: httpx.AsyncClient | None = None,
        hints: Mapping[int, str] | None = None,
    ) -> None:
        """`what` is the server's name. `hints` say what an operator can do, by the status of a refusal."""
        self.url = _without_secrets(url).rstrip("/")
        self._url = httpx.URL(url)
        self._what = what
        self._hints = hints or {
            401: "check the user and the password or token in the agent's configuration",
            403: "allow the agent's address there",
            404: f"check `url`; is its interface switched on in {what}?",
        }
        self._timeout_seconds = timeout_seconds
        self._own_http = http is None
        # The interface is the server's own: a proxy from the environment is not meant for it.
        self._http = http or httpx.AsyncClient(trust_env=False)

    async def close(self) -> None:
        if self._own_http:
            await self._http.aclose()

    async def get(
        self,
        *parts: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
    ) -> bytes:
        """The body of a 200 answer. Raises `SourceError`; one with a status has it as `StatusError.status`."""
        return (await self.answer("GET", parts, query=query, headers=headers, auth=auth)).body

    async def answer(
        self,
        method: str,
        parts: tuple[str, ...],
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        auth: httpx.Auth | None = None,
    ) -> "Answered":
        """As `get`, with any method and a body, and with the server's time beside the answer's."""
        path = "".join(f"/{quote(part, safe='')}" for part in parts)
        shown = self.url + path
        seconds = self._timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                request = self._http.build_request(
                    method,
                    self._url.copy_with(raw_path=self._raw_path(path)),
                    params=query,
                    headers=dict(headers or {}),
                    content=body,
                    timeout=self._timeout_seconds,
                )
                response = await self._http.send(request, auth=auth, stream=True, follow_redirects=False)
                try:
                    if response.status_code != 200:
                        raise StatusError(response.status_code, self._explain(shown, response.status_code))
                    return Answered(await _body(response, shown), http_date_s(response.headers.get("Date")))
                finally:
                    await response.aclose()
        except TimeoutError:
            raise SourceError(
                f"{shown} did not answer within {self._timeout_seconds:g} s; the next reading tries again"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise SourceError(
                f"{shown} cannot be read ({type(error).__name__}); is {self._what} running, and does it listen there? "
                "Its counters are read as soon as it answers"
            ) from None

    def _raw_path(self, path: str) -> bytes:
        """The target of a request for a path below the URL's own; without one it is the URL as it was given."""
        if not path:
            return self._url.raw_path
        base, question_mark, query = self._url.raw_path.partition(b"?")
        return base.rstrip(b"/") + path.encode() + question_mark + query

    def _explain(self, shown: str, status: int) -> str:
        return f"{shown} answered HTTP {status}; {self._hints.get(status, f'the log of {self._what} says why')}"


def _without_secrets(url: str) -> str:
    return str(httpx.URL(url).copy_with(username=None, password=None, query=None, fragment=None))


class Answered(NamedTuple):
    """What a server answered."""

    body: bytes
    date_s: int | None
    """The server's clock when it answered, in whole seconds; `None` where it does not tell."""


class StatusError(SourceError):
    """An answer came, but it says no."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


async def _body(response: httpx.Response, shown: str) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > LARGEST_ANSWER_BYTES:
            raise SourceError(f"{shown} answered more than {LARGEST_ANSWER_BYTES >> 20} MiB, which is no statistics")
    return bytes(body)


async def answers_of(ask: Callable[[Asked], Awaitable[Answer | None]], asked: Iterable[Asked]) -> list[Answer]:
    """What is answered to each, in order, a few at a time; `None` stands for what is gone and is left out.

    The first that fails ends them all.
    """
    few = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    async def one(each: Asked) -> Answer | None:
        async with few:
            return await ask(each)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(each)) for each in asked]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [answer for task in tasks if (answer := task.result()) is not None]


def http_date_s(date: str | None) -> int | None:
    """An HTTP `Date` in seconds since 1970; `None` for what is none."""
    try:
        return int(parsedate_to_datetime(date or "").timestamp())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def decoded(body: bytes, form: type[Answer], where: str) -> Answer:
    """JSON as the values that are wanted of it. Raises `SourceError` for anything else."""
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{where} answered what cannot be counted from: {error}") from None


def xml_root(body: bytes, where: str) -> Element:
    """The root of an XML answer. A document type, and anything that is not XML, is a `SourceError`."""
    if b"\0" in body or b"<!DOCTYPE" in body.upper() or b"<!ENTITY" in body.upper():
        raise SourceError(f"{where} answered XML with a document type, which it never writes")
    parser = XMLParser(encoding="utf-8")
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, ValueError) as error:
        raise SourceError(f"{where} answered what is not XML ({error})") from None
    return root


def count_in(element: Element, name: str, where: str) -> int:
    """A whole number in a child element. Raises `SourceError` where there is none."""
    text = (element.findtext(name) or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= LARGEST_COUNT):
        raise SourceError(f"{where} has no usable <{name}> in <{element.tag[:32]}>")
    return int(text)


def split_path(path: str, root_scope: str) -> tuple[str, str]:
    """A path as scope and name, cut at its last slash. One without a slash is in `root_scope`."""
    scope, _, name = path.strip("/").rpartition("/")
    return a_name(scope or root_scope), a_name(name)


def basic_auth(user: str | None, password: Secret | None) -> dict[str, str]:
    """The header that tells a user and a password; none where there is no user."""
    if user is None or password is None:
        return {}
    request = next(httpx.BasicAuth(user, password()).auth_flow(httpx.Request("GET", "http://localhost")))
    return {"Authorization": request.headers["Authorization"]}


def a_name(text: str) -> str:
    """A scope or a stream's name as a report can hold it: never empty, never endless."""
    return text[:LONGEST_NAME] or "(no name)"


def an_id(text: str) -> str:
    """A server's id as a report can hold it: itself where it is short and plain, else a digest of it."""
    if len(text) <= LONGEST_ID and re.fullmatch(r"[A-Za-z0-9._:-]+", text):
        return text
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def a_protocol(text: str) -> str:
    """A protocol's name as a label, in small letters."""
    return re.sub(r"[^a-z0-9+.-]", "", text.lower())[:32] or "unknown"


def digest_of(*texts: str) -> str:
    """A short name for several texts together."""
    joined = "\0".join(texts).encode("utf-8", "surrogatepass")
    return hashlib.blake2s(joined, digest_size=6).hexdigest()
