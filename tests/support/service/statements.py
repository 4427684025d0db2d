"""Signed statements of a running service, and the check of its store."""

import base64
from contextlib import closing

import msgspec

from streamusage.api.evidence import SignedStatement
from streamusage.evidence.statement import Statement, parse
from streamusage.service.accounting.checks.verification import verify_store
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import Estate


async def read_statement(estate: Estate, first: str, last: str) -> tuple[bytes, bytes, Statement]:
    """Return the bytes of a statement of days of UTC, its signature, and what it says."""
    answer = await estate.request("GET", f"/api/v1/statement?from={first}&to={last}&tz=UTC")
    assert answer.status_code == 200, answer.text
    found = msgspec.json.decode(answer.content, type=SignedStatement)
    content = found.statement.encode()
    return content, base64.b64decode(found.signature or ""), parse(content)


def find_differences(store_url: str, now_ms: int) -> set[tuple[str, str]]:
    """Return what the check of a store finds: tables, and what is wrong."""
    with closing(open_store(store_url, 0)) as store:
        results = list(verify_store(store, now_ms, lambda _what, _done, _total: None))
    return {(one.table, one.what) for result in results for one in result.differences}
