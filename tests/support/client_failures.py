"""A client of a service with fixed replies, and the errors that it raises."""

import json
import traceback
from typing import Any

import pytest

from streamusage.client.errors import UsageApiError
from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import CannedServer

TOKEN = "s3cret/tok+en"
USAGE = "/streammanager/api/4.0/admin/event/usage"


def documented_error(text: str) -> str:
    return json.dumps({"errorMessage": text, "timestamp": 1525079744558})


def always(answer: bytes) -> CannedServer:
    return CannedServer(lambda request: answer)


async def failure_of(answer: bytes, **options: Any) -> UsageApiError:
    async with always(answer) as server, UsageClient(server.url, TOKEN, **options) as client:
        with pytest.raises(UsageApiError) as caught:
            await client.usage()
        assert f"127.0.0.1:{server.port}" in str(caught.value)
        assert "read the usage records" in str(caught.value)
        assert_no_token(caught.value)
        return caught.value


def assert_no_token(error: BaseException) -> None:
    text = "".join(traceback.format_exception(error)) + repr(error)
    assert "s3cret" not in text
    assert error.__context__ is None or "s3cret" not in repr(vars(error.__context__))
