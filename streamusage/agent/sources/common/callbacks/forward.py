"""Callbacks that the agent passes on to a check of the operator's own, and the check's answer for the media server.

Some media servers call only one address for each callback. An operator whose check has that address would lose it to
the agent: then anybody could publish. The agent listens there, forwards the callback
and returns the answer of the check.
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import httpx
from msgspec.structs import replace
from pydantic import Field, model_validator

from streamusage.agent.config.sources import (
    HttpUrl,
    ListenAddress,
    SourceSection,
    UserPath,
    duration_between,
    media_server_options,
)
from streamusage.client.http_client import open_http_client
from streamusage.client.http_options import HttpOptions
from streamusage.client.network.failures import describe_failure

LOG = logging.getLogger(__name__)

REFUSED = 403
MAX_LOCATION_CHARACTERS = 4096

EVERY_CALL = "*"
"""Key of `forward_to` for the calls that have no key of their own."""


class CallbackAnswer(NamedTuple):
    """The answer to a callback."""

    status: int = 200
    location: str = ""
    """Where a redirect (3xx) leads: nginx-rtmp renames the stream by it."""

    @property
    def is_refusal(self) -> bool:
        """Whether the media server closes the session."""
        return not 200 <= self.status < 400


class CallbackSection(SourceSection):
    """Settings of a source that receives callbacks."""

    notify_listen: ListenAddress | None = None
    """Listen address for the media server's callbacks."""
    spool: UserPath | None = None
    """File of received callbacks; default: beside the journal."""
    forward_to: HttpUrl | dict[str, HttpUrl] = Field(default_factory=dict)
    """Checks of the operator that decide: one URL for all calls, or one for each call."""
    forward_timeout_ms: Annotated[int, duration_between("100ms", "8s"), Field(alias="forward_timeout")] = 3000
    forward_failed: Literal["refuse", "accept"] = "refuse"
    """The answer where the check cannot be reached."""

    @model_validator(mode="after")
    def _require_listener(self) -> "CallbackSection":
        if self.forward_to and self.notify_listen is None:
            raise ValueError("forward_to passes on callbacks, which notify_listen receives; set notify_listen too")
        return self


def check_options(seconds: float = 3.0, ca_file: Path | None = None) -> HttpOptions:
    """Return how to connect to a check, which has to answer within that time."""
    return replace(media_server_options(seconds, ca_file), peer="the check")


class CallbackForward:
    """Passes on callbacks. Without URLs, every call is accepted."""

    def __init__(
        self,
        urls: Mapping[str, str],
        *,
        options: HttpOptions | None = None,
        accepts_if_failed: bool = False,
    ) -> None:
        """`urls` has the check of each call; `EVERY_CALL` is the one of all others."""
        self._urls = dict(urls)
        self._options = options or check_options()
        self._accepts_if_failed = accepts_if_failed
        self._http: httpx.AsyncClient | None = None
        self._failing: set[str] = set()

    @classmethod
    def of(cls, config: CallbackSection) -> "CallbackForward":
        """Return the forward of a configuration."""
        forward_to = config.forward_to
        urls = {EVERY_CALL: forward_to} if isinstance(forward_to, str) else forward_to
        return cls(
            urls,
            options=check_options(config.forward_timeout_ms / 1000, config.ca_file),
            accepts_if_failed=config.forward_failed == "accept",
        )

    def knows(self, call: str) -> bool:
        """Return whether a check decides about this call."""
        return call in self._urls or EVERY_CALL in self._urls

    async def fetch_answer(self, call: str, body: bytes, content_type: str) -> CallbackAnswer:
        """Return the answer of the call's check. One that cannot be reached refuses, unless configured otherwise."""
        url = self._urls.get(call) or self._urls.get(EVERY_CALL)
        if url is None:
            return CallbackAnswer()
        if self._http is None:
            self._http = open_http_client(self._options)
        headers = {"Content-Type": content_type} if content_type else {}
        try:
            async with asyncio.timeout(self._options.answer_seconds):
                request = self._http.build_request("POST", url, content=body, headers=headers)
                reply = await self._http.send(request, stream=True)  # the body of the answer is not read
                await reply.aclose()
        except TimeoutError:
            return self._fail(call, f"no answer within {self._options.answer_seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            cause = describe_failure(error, self._options) if isinstance(error, httpx.HTTPError) else ""
            return self._fail(call, cause or type(error).__name__)
        if reply.status_code < 200:
            return self._fail(call, f"HTTP {reply.status_code}")
        location = reply.headers.get("Location", "") if 300 <= reply.status_code < 400 else ""
        if not location.isascii() or not location.isprintable() or len(location) > MAX_LOCATION_CHARACTERS:
            return self._fail(call, "its Location is not printable")
        if call in self._failing:
            self._failing.discard(call)
            LOG.info("forward_answers_again call=%s", call)
        return CallbackAnswer(reply.status_code, location)

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _fail(self, call: str, cause: str) -> CallbackAnswer:
        decision = "accepted" if self._accepts_if_failed else "refused"
        if call not in self._failing:
            self._failing.add(call)
            LOG.error(
                "forward_failed call=%s detail='the check of forward_to gave no answer (%s); the call is %s, as "
                "forward_failed configures; start the check'",
                call,
                cause,
                decision,
            )
        return CallbackAnswer(200 if self._accepts_if_failed else REFUSED)
