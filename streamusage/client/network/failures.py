"""Why a request failed, in the words of an operator: the cause first, then what to do. Imports httpx."""

import re

from streamusage.client.http_options import PROXY_NEEDS_LOGIN, HttpOptions
from streamusage.client.httpx_import import httpx

_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")

_VERIFY_FAILED = re.compile(r"certificate verify failed: (.*?)\.?(?: \(_ssl\.c:\d+\))?$")
_MOST_CAUSES = 8


def describe_failure(error: httpx.HTTPError, options: HttpOptions, *, scheme: str = "", proxy: str = "") -> str:
    """Return why a request failed, and what an operator can do about it; empty where that is unknown.

    `scheme` is that of the service's address; `proxy` names the proxy that is used, if one is.
    """
    text, peer = str(error), options.peer
    if isinstance(error, httpx.ProxyError):
        if "407" in text:
            return PROXY_NEEDS_LOGIN
        return f"the proxy {proxy} refused to connect to {peer} ({text})" if text else f"the proxy {proxy} refused"
    behind = f"{peer}, or the proxy {proxy} before it," if proxy else peer
    if isinstance(error, httpx.ConnectTimeout):
        to_proxy, seconds = f" to the proxy {proxy}" if proxy else "", f"within {options.connect_seconds:g} s"
        if scheme == "https":
            return f"no TLS connection{to_proxy} {seconds}; is this the port for https://?"
        return f"no connection{to_proxy} {seconds}"
    if isinstance(error, httpx.ReadTimeout):
        return f"{behind} stopped responding"
    if isinstance(error, httpx.WriteTimeout):
        return f"{behind} stopped reading the request"
    if isinstance(error, httpx.TimeoutException):
        return "the request timed out"
    if "CERTIFICATE_REQUIRED" in _texts_of_causes(error):
        return f"{peer} requires a client certificate; set client_cert and client_key"
    if isinstance(error, httpx.RemoteProtocolError):
        return _describe_protocol_error(text, scheme, proxy)
    if isinstance(error, httpx.ReadError | httpx.WriteError | httpx.CloseError):
        hint = "; if it requires a client certificate, set client_cert"
        is_asked = scheme == "https" and options.client_cert is None
        return f"{behind} closed the connection before the reply was complete{hint if is_asked else ''}"
    if isinstance(error, httpx.ConnectError):
        return _describe_connect_error(text, options, scheme, proxy)
    return ""


def _texts_of_causes(error: BaseException) -> str:
    """Return the texts of an error and of its causes: the outermost one may have none."""
    texts, cause = list[str](), error
    while len(texts) < _MOST_CAUSES:
        texts.append(str(cause))
        inner = cause.__cause__ or cause.__context__
        if inner is None:
            break
        cause = inner
    return " ".join(texts)


def _describe_protocol_error(text: str, scheme: str, proxy: str) -> str:
    closed = f"the connection{f' to the proxy {proxy}' if proxy else ''} was closed early"
    hint = "; if it uses TLS, the address must start with https://" if scheme == "http" else ""
    if "complete message body" in text or "incomplete chunked" in text:
        return f"{closed}, within the reply"
    if "without sending a response" in text:
        return f"{closed}, without a reply{hint}"
    if "illegal" in text and hint:
        return f"the server there does not use HTTP{hint}"
    return f"{closed}, or the server there does not use HTTP"


def _describe_connect_error(text: str, options: HttpOptions, scheme: str, proxy: str) -> str:
    if any(known in text for known in _NO_TLS):
        return "the server there does not use TLS; the address must start with http://"
    if "certificate" in text.lower():
        return _describe_certificate_error(text)
    if scheme == "https" and ("EOF" in text or "reset" in text.lower()):
        return "the connection was closed during the TLS handshake; is this the port for https://?"
    if "not known" in text or "resolution" in text or "getaddrinfo" in text or "No address" in text:
        return f"the proxy {proxy} is no known host; check its address" if proxy else "no such host; check the address"
    if proxy:
        return f"the proxy {proxy} does not answer; is it running, and is its address right?"
    return f"nothing answers there; is {options.peer} running, and is the address right?"


def _describe_certificate_error(text: str) -> str:
    found = _VERIFY_FAILED.search(text)
    cause = f"its certificate is not trusted ({found[1] if found else text})"
    if "mismatch" in text:
        return f"{cause}; the address must have the host that the certificate is for"
    if "expired" in text or "not yet valid" in text:
        return f"{cause}; renew it, or correct the clock of this machine"
    return f"{cause}; if a private authority signed it, set ca_file to the file of its certificate"
