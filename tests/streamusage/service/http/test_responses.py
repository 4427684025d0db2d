"""Compression of responses."""

import gzip

import pytest
import zstandard

from tests.streamusage.service.conftest import NOW, USAGE, Estate, a_record
from tests.support.service.parties.reporting import ReportingAgent, a_session

LIST = f"{USAGE}?accessToken=admin-token"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("gzip, zstd", "zstd"),
        ("zstd;q=0, gzip", "gzip"),
        ("identity", None),
        ("br", None),
        ("", None),
    ],
)
async def test_answers_are_compressed_if_the_client_accepts_it(
    estate: Estate, accepted: str, encoding: str | None
) -> None:
    await estate.import_records(*(a_record(f"s{number}") for number in range(50)))
    estate.clock.now += 60_000
    await ReportingAgent(estate, "edge-1").sync_up(
        *(a_session(f"e{number}", name=f"s{number}") for number in range(50))
    )
    window = f"from={NOW}&to={NOW + 60_000}&accessToken=admin-token"
    paths = [LIST, "/api/v1/changes?accessToken=admin-token", f"/api/v1/carriers?{window}", f"/api/v1/trends?{window}"]
    for path in paths:
        async with estate.http.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        assert answer.headers.get("content-encoding") == encoding
        assert "Accept-Encoding" in answer.headers["vary"]
        body = gzip.decompress(raw) if encoding == "gzip" else zstandard.decompress(raw) if encoding else raw
        assert b"s49" in body
