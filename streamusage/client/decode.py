"""What a reply of a service means: an exception that says why not, or its content as a type.

The words of a failure are the service's own where it gave some, without the token should it have repeated it.
"""

from typing import TypeVar

import msgspec

from streamusage.api.extension import ErrorBody
from streamusage.client.errors import InvalidAnswerError, NotFoundError, RefusedError, UnreachableError
from streamusage.client.record_lists import described
from streamusage.client.transport import HttpTransport, Reply

Answer = TypeVar("Answer")


def check(exchange: HttpTransport, reply: Reply, asked: str) -> None:
    """Raises what an answer's status means, where it is no success."""
    status = reply.status
    if status in (200, 201, 204):
        return
    said = error_text(exchange, reply)
    told = f"it answered {status}" + (f", “{said}”" if said else "")
    if status in (400, 401, 403, 409, 422):
        hint = "; check the token" if status in (401, 403) or "token" in said.lower() else ""
        raise RefusedError(exchange.host, asked, told + hint)
    if status == 404 and said:
        raise NotFoundError(exchange.host, asked, told)
    if status == 429 or status >= 500:
        raise UnreachableError(exchange.host, asked, told)
    if 300 <= status < 400:
        raise InvalidAnswerError(exchange.host, asked, f"{told}: it sends us elsewhere; check the address")
    raise InvalidAnswerError(
        exchange.host, asked, f"{told}: this is not a Stream Manager's usage API; check the address"
    )


def decoded(exchange: HttpTransport, reply: Reply, asked: str, kind: type[Answer]) -> Answer:
    """The content of a success. Raises what `check` does, and `InvalidAnswerError`."""
    check(exchange, reply, asked)
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        looks = described(reply.body)
        what = (
            f"the answer {looks}"
            if "JSON object" not in looks
            else f"broken JSON: {exchange.without_token(str(error))}"
        )
        raise InvalidAnswerError(exchange.host, asked, what) from None


def error_text(exchange: HttpTransport, reply: Reply) -> str:
    """What the service said in the documented shape of a failure; empty where it did not."""
    try:
        said = msgspec.json.decode(reply.body, type=ErrorBody).error_message
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return exchange.without_token(said)[:500] or "no reason given"


def knows_no_extension(exchange: HttpTransport, reply: Reply) -> bool:
    """Whether a first answer on a path of our extension shows that the service does not know it."""
    if reply.status in (401, 403):
        return not error_text(exchange, reply)
    if reply.status == 200:
        return not reply.body.lstrip().startswith(b"{")
    return 300 <= reply.status < 500 and reply.status not in (408, 409, 413, 422, 429)
