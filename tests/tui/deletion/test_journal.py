"""The journal of deleted records."""

from pathlib import Path

import msgspec

from streamusage.core.usage import UsageRecord
from tui.deletion.journal import append_records


class TestJournalOfDeletedRecords:
    record = UsageRecord(
        name="a",
        scope="live",
        start_time=1,
        end_time=2,
        duration=1,
        active_subscribers=0,
        max_subscribers=0,
        lost_subscribers=0,
        total_subscribers=0,
        updated=2,
    )

    def test_records_are_appended_one_per_line(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "deleted.ndjson"
        for _ in range(2):
            assert append_records([self.record], path, service="sm:5080", deleted_at=7) == path
        lines = path.read_bytes().splitlines()
        assert [msgspec.json.decode(line, type=UsageRecord) for line in lines] == [self.record] * 2
        assert msgspec.json.decode(lines[0])["deletedAt"] == 7

    def test_truncated_line_does_not_damage_the_next_record(self, tmp_path: Path) -> None:
        path = tmp_path / "deleted.ndjson"
        path.write_bytes(b'{"name": "br')
        append_records([self.record], path, service="sm:5080")
        assert msgspec.json.decode(path.read_bytes().splitlines()[1], type=UsageRecord) == self.record
