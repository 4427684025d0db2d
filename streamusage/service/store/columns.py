"""What the columns of the store's tables are made of, the same on SQLite and PostgreSQL."""

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData

from streamusage.service.store.sql import AnyText

metadata = MetaData()


def number(name: str, *, key: bool = False, null: bool = False, default: str | None = None) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=null, autoincrement=False, server_default=default)


def stream(*, key: bool = False) -> Column[bytes]:
    return Column("stream", LargeBinary, primary_key=key, nullable=False)


def text(name: str, *, key: bool = False, default: str | None = None) -> Column[str]:
    return Column(name, AnyText, primary_key=key, nullable=False, server_default=default)
