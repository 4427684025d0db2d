"""The parts of accepted reports that wait to be applied, compressed. Each has the checksum of its compression."""

import zlib
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select

from streamusage.service.rules.parts import ReportPart
from streamusage.service.store.schema import report_parts, servers
from streamusage.service.store.statements import PreparedStatement

_DECODER = msgspec.msgpack.Decoder(ReportPart)
_NEXT = PreparedStatement(
    select(report_parts.c.number, report_parts.c.body)
    .where(report_parts.c.server == bindparam("of_server"))
    .order_by(report_parts.c.number)
    .limit(1)
)


def encode_part(part: ReportPart) -> bytes:
    """Return a part as it is stored. Compressing releases the interpreter's lock."""
    return zlib.compress(msgspec.msgpack.encode(part), 1)


def decode_part(body: bytes) -> ReportPart:
    """Return an encoded part."""
    return _DECODER.decode(zlib.decompress(body))


def save_parts(connection: Connection, server: str, bodies: Iterable[bytes]) -> None:
    """Store the encoded parts of a report, in the order in which they must be applied."""
    for number, body in enumerate(bodies):
        connection.execute(insert(report_parts).values(server=server, number=number, body=body))


def take_next_part(connection: Connection, server: str) -> ReportPart | None:
    """Return the next part of the server's report and delete it; `None` if none waits."""
    rows = _NEXT.rows(connection, of_server=server)
    if not rows:
        return None
    this = (report_parts.c.server == server, report_parts.c.number == rows[0].number)
    connection.execute(delete(report_parts).where(*this))
    return decode_part(rows[0].body)


def find_servers_with_parts(connection: Connection) -> list[str]:
    """Return the servers with an accepted report whose parts are not all applied."""
    query = select(servers.c.server).where(servers.c.parts_pending > 0).order_by(servers.c.server)
    return list(connection.execute(query).scalars())
