"""A console without a screen: it follows the changes of a store page by page, and keeps the records."""

from streamusage.api.extension import SessionRecord
from streamusage.core.usage import SessionKey
from streamusage.service.queries.changes import changes_since
from streamusage.service.store.store import Store


class ChangeFollower:
    """Follows the changes of a store from its first one."""

    def __init__(self, store: Store, page: int) -> None:
        self._store = store
        self._page = page
        self.cursor = ""
        self.records: dict[SessionKey, SessionRecord] = {}
        self.resets = 0
        self.pages = 0

    def poll(self) -> None:
        """Read pages until one has no more."""
        while self.poll_page():
            pass

    def poll_page(self) -> bool:
        """Read the next page from a snapshot of its own. Return whether there are more changes."""
        with self._store.reading() as connection:
            page = changes_since(connection, self.cursor or None, self._page, 0)
        if page.reset:
            self.resets += 1
            self.records.clear()
        for key in page.deleted_sessions:
            self.records.pop(SessionKey(key.scope, key.name, key.start_time), None)
        for record in page.records:
            self.records[SessionKey(record.scope, record.name, record.start_time)] = record
        self.pages += 1
        self.cursor = page.cursor
        return page.more

    def find_faults(self) -> list[str]:
        """Return where the records are not those that a new reader of the store gets."""
        new = ChangeFollower(self._store, self._page)
        new.poll()
        return [
            f"a reader of all changes shows {self.records.get(key)} in place of {new.records.get(key)}"
            for key in sorted(self.records.keys() | new.records.keys())
            if self.records.get(key) != new.records.get(key)
        ]
