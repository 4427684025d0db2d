"""The page of a failed poll where there are no figures to show: what happened, what is kept, what to do. Pure."""

from enum import StrEnum
from ipaddress import ip_address
from textwrap import wrap
from typing import NamedTuple
from urllib.parse import urlsplit

from tui.model.text import sanitize

_HEADS = ("What happened", "What is kept", "What to do")
_HEAD_CELLS = 19
_SHORT_HINTS = ("check the token", "check the address")
"""Hints of one-line messages, of which the page has more."""


class FailureKind(StrEnum):
    """Why a poll failed, as far as it changes what an operator can do."""

    TOKEN = "the service refused the token"
    REFUSED = "the service refused the request"
    BUSY = "the service is busy"
    TROUBLE = "the service reports a fault of its own"
    PROXY = "the proxy is in the way"
    UNREACHABLE = "the service cannot be reached"
    OTHER_SERVICE = "another service answers at this address"
    UNREADABLE = "the reply of the service cannot be read"


class FailedRequest(NamedTuple):
    """A request that failed."""

    kind: FailureKind
    status: int | None
    action: str
    """What was tried, to complete "could not …"."""
    cause: str
    """Why it failed; what to do follows after semicolons."""


class Surroundings(NamedTuple):
    """What is known beside the failure."""

    url: str
    url_from: str
    has_token: bool
    token_from: str
    retry_in_ms: int | None
    is_given_up: bool
    has_figures: bool = False
    """Whether earlier figures are shown."""
    proxy_from: str = ""
    """Source of the proxy, as text; empty where the environment names it for all programs."""


class FailurePage(NamedTuple):
    """The title and the paragraphs of the page."""

    title: str
    happened: list[str]
    kept: list[str]
    to_do: list[str]

    def lines(self, cells: int) -> list[tuple[str, str]]:
        """Return heading and text of each line, wrapped to a width and safe for a terminal."""
        found = list[tuple[str, str]]()
        room = max(20, cells - _HEAD_CELLS)
        for head, paragraphs in zip(_HEADS, (self.happened, self.kept, self.to_do), strict=True):
            found.append(("", ""))
            wrapped = [line for paragraph in paragraphs for line in wrap(sanitize(paragraph), room)]
            found += [(head if not number else "", line) for number, line in enumerate(wrapped)]
        return found


def failure_page(failed: FailedRequest, around: Surroundings) -> FailurePage:
    """Return the page of a failed request."""
    cause, *hints = failed.cause.split("; ")
    status = "" if failed.status is None else f" ({failed.status})"
    return FailurePage(
        f"{failed.kind[0].upper()}{failed.kind[1:]}{status}",
        [_sentence(f"could not {failed.action}: {cause}")],
        [_kept(around)],
        [*(_sentence(hint) for hint in hints if hint not in _SHORT_HINTS), *_advice(failed, around)],
    )


def _kept(around: Surroundings) -> str:
    kept = "The figures of the last successful poll, with their age." if around.has_figures else "Nothing was changed."
    if around.is_given_up:
        return f"{kept} No retry until you press r."
    if around.retry_in_ms is None:
        return kept
    return f"{kept} Next try in {-(-around.retry_in_ms // 1000)} s; r tries now."


def _advice(failed: FailedRequest, around: Surroundings) -> list[str]:
    address = f"The address comes from {around.url_from}: {around.url}"
    match failed.kind:
        case FailureKind.TOKEN:
            token = f"The token comes from {around.token_from}." if around.has_token else "No token was given."
            advice = [token, "streamtop --token-file FILE, STREAMTOP_TOKEN, or token_file in config.toml"]
            if _is_loopback(around.url):
                advice.append("The token of your own `streamtop serve` is found by itself, except of --tokens.")
            return advice
        case FailureKind.UNREACHABLE if around.url_from == "the default":
            return [
                f"No service was chosen, so this is the default one: {around.url}",
                "streamtop demo: try the console, nothing needed",
                "streamtop serve: run a usage service on this machine",
                "streamtop --url URL: watch another service",
            ]
        case FailureKind.BUSY | FailureKind.TROUBLE:
            return ["Nothing here: look at the service, or wait."]
        case FailureKind.PROXY:
            if around.proxy_from:
                return [f"The proxy comes from {around.proxy_from}, and holds for every host.", address]
            return ["--proxy or STREAMTOP_PROXY names another proxy; NO_PROXY excepts this host.", address]
        case _:
            return [address]


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _sentence(text: str) -> str:
    """Return a text that begins with a capital and ends with a full stop or its own mark."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!", "”")) else f"{text}."
