"""The audit log of deletes, imports and removals."""

from tests.streamusage.service.conftest import Estate, a_record
from tests.support.service.parties.reporting import an_origin_and_an_edge


async def test_every_delete_is_in_the_audit_log(estate: Estate) -> None:
    await estate.import_records(*(a_record(f"s{number}") for number in range(5)))
    await estate.usage("DELETE", "/live/s0", "accessToken=admin-token&startTime=1525079735737")
    await estate.usage("DELETE", "/live/s1")
    await estate.usage("DELETE", "/live/nothing")
    await estate.usage("DELETE")
    await an_origin_and_an_edge(estate)
    await estate.request("DELETE", "/api/v1/servers/edge-1?force=true")
    entries = (await estate.request("GET", "/api/v1/audit?limit=4")).json()
    assert entries["more"] is True
    entries = (await estate.request("GET", "/api/v1/audit")).json()["entries"]
    lines = {
        (entry["who"], entry["operation"], entry["name"], entry["startTime"], entry["records"]) for entry in entries
    }
    assert lines == {
        ("boss", "import", "", None, 5),
        ("boss", "delete session", "s0", 1525079735737, 1),
        ("boss", "delete stream", "s1", None, 1),
        ("boss", "delete all", "", None, 3),
        ("boss", "remove server by force", "edge-1", None, 1),
    }
    assert "admin-token" not in str(entries)
