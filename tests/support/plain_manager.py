"""A plain Stream Manager: the five documented operations, without our extension."""

import json
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.support.canned_answers import CannedServer, ReceivedRequest, reply

BASE = "/streammanager/api/4.0/admin/event/usage"


def wire(name: str = "keynote", scope: str = "live", start: int = 1525079735738, **more: Any) -> dict[str, Any]:
    """Return a documented record as JSON fields."""
    return {
        "name": name,
        "scope": scope,
        "startTime": start,
        "endTime": start + 8820,
        "duration": 8820,
        "aciveSubscribers": 2,
        "maxSubscribers": 3,
        "lostSubscribers": 2,
        "totalSubscribers": 4,
        "updated": start + 8821,
    } | more


def without(record: dict[str, Any], *fields: str) -> dict[str, Any]:
    """Return a copy of the record that lacks the fields."""
    return {name: value for name, value in record.items() if name not in fields}


class PlainManager(CannedServer):
    """Serves `records` to clients that send `token`."""

    def __init__(self, *records: dict[str, Any], token: str = "xyz123") -> None:
        super().__init__(self._respond)
        self.records = list(records)
        self.token = token

    @property
    def deletes(self) -> list[str]:
        return [request.target for request in self.requests if request.method == "DELETE"]

    def _respond(self, request: ReceivedRequest) -> bytes:
        if not request.path.startswith(BASE):
            return reply(404, "<html>no such page</html>", kind="text/html")
        query = parse_qs(request.query)
        if query.get("accessToken") != [self.token]:
            return self._failure(400, "invalid access token")
        *scope, name = request.path.removeprefix(BASE).removeprefix("/").split("/")
        if not name:
            found = self.records
        else:
            stream = ("/".join(map(unquote, scope)), unquote(name))
            found = [record for record in self.records if (record["scope"], record["name"]) == stream]
            if not found:
                return self._failure(404, "no such stream")
        if request.method == "GET":
            return reply(200, json.dumps(found))
        if start := query.get("startTime"):
            found = [record for record in found if record["startTime"] == int(start[0])]
            if not found:
                return self._failure(404, "no such session")
        self.records = [record for record in self.records if record not in found]
        return reply(200, json.dumps(found[0]) if start else b"")

    @staticmethod
    def _failure(status: int, text: str) -> bytes:
        return reply(status, json.dumps({"errorMessage": text, "timestamp": 1525079744558}))


class ManagerOfBothLists(PlainManager):
    """A Stream Manager whose live list can be read: otherwise the notice about it comes first."""

    def _respond(self, request: ReceivedRequest) -> bytes:
        return reply(200, "[]") if request.path.endswith("/list/stats") else super()._respond(request)
