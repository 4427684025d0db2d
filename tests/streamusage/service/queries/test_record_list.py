"""The cached list of all records: its ETag, and its content after imports and deletes."""

import random

from tests.streamusage.service.conftest import USAGE, Estate, a_record

LIST = f"{USAGE}?accessToken=admin-token"


async def test_etag_of_the_list_changes_only_with_the_records(estate: Estate) -> None:
    await estate.import_records(a_record())
    first = await estate.http.get(LIST)
    again = await estate.http.get(LIST, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    await estate.import_records(a_record("b"))
    changed = await estate.http.get(LIST, headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, len(changed.json())) == (200, 2)
    refused = await estate.http.get(USAGE, headers={"If-None-Match": first.headers["etag"]})
    assert refused.status_code == 400


async def test_list_shows_every_kind_of_change(estate: Estate) -> None:
    """Compare the cached list with the expected records after random imports and deletes."""
    chance = random.Random(7)
    expected: dict[str, dict[str, object]] = {}
    for _ in range(30):
        names = [f"s{chance.randrange(60)}" for _ in range(chance.randrange(8))]
        fresh = [a_record(name) for name in dict.fromkeys(names) if name not in expected]
        await estate.import_records(*fresh)
        expected |= {str(record["name"]): record for record in fresh}
        for name in chance.sample(sorted(expected), min(len(expected), chance.randrange(3))):
            await estate.usage("DELETE", f"/live/{name}")
            del expected[name]
        if chance.random() < 0.1:
            await estate.usage("DELETE")
            expected = {}
        assert sorted(await estate.records(), key=str) == sorted(expected.values(), key=str)
