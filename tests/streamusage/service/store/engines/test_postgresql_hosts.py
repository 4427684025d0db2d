"""URLs of PostgreSQL as libpq reads them: several hosts, and each `target_session_attrs`."""

import socket
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from streamusage.service.store.change_feed import read_counter, set_counter
from streamusage.service.store.engines import display_url, parse_store_url
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import a_record, an_estate
from tests.support.postgresql import Cluster

pytestmark = pytest.mark.postgresql


@pytest.fixture
def closed_port() -> int:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.mark.parametrize("wanted", ["any", "read-write", "primary", "prefer-standby"])
def test_store_opens_with_every_kind_of_session(postgresql: Cluster, wanted: str, closed_port: int) -> None:
    with postgresql.database() as url:
        database = url.rpartition("/")[2]
        hosts = f"127.0.0.1:{closed_port},127.0.0.1:{postgresql.port}"
        several = f"postgresql://postgres@{hosts}/{database}?target_session_attrs={wanted}"
        for store_url in (f"{url}?target_session_attrs={wanted}", several):
            with closing(open_store(store_url, 0)) as store:
                with store.writing() as connection, connection.begin():
                    set_counter(connection, "tried", 5)
                with store.reading() as connection:
                    assert read_counter(connection, "tried") == 5
                    assert connection.execute(text("SHOW transaction_read_only")).scalar() == "on"


@pytest.mark.parametrize("wanted", ["any", "read-write", "primary", "prefer-standby", "standby", "read-only"])
async def test_writes_reach_the_primary_whatever_host_is_named_first(
    postgresql: Cluster, tmp_path: Path, wanted: str
) -> None:
    with postgresql.database() as url:
        open_store(url, 0).close()
        with postgresql.standby() as standby:
            hosts = f"127.0.0.1:{standby.port},127.0.0.1:{postgresql.port}"
            database = url.rpartition("/")[2]
            store_url = f"postgresql://postgres@{hosts}/{database}?target_session_attrs={wanted}"
            async with an_estate(tmp_path, store_url=store_url) as estate:
                assert (await estate.import_records(a_record())).status_code == 200
                assert (await estate.request("GET", "/readyz")).status_code == 200
                assert (await estate.usage()).status_code == 200


def test_hosts_of_libpq_are_parsed() -> None:
    url = parse_store_url("postgresql://user@one:5432,two:5433,three/usage?target_session_attrs=read-write")
    assert url.query == {"host": ("one:5432", "two:5433", "three"), "target_session_attrs": "read-write"}
    assert (url.username, url.database, url.host) == ("user", "usage", None)
    assert parse_store_url("postgresql://one,two").query == {"host": ("one", "two")}
    assert parse_store_url("postgresql://user@one:5432/usage").host == "one"
    assert parse_store_url("sqlite:////a,b.db").database == "/a,b.db"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user@one:5432,two/usage?target_session_attrs=primary", None),
        ("postgresql://one,two/usage", None),
        ("postgresql://user:s3cret@one/usage", "postgresql://user:***@one/usage"),
        ("postgresql+psycopg://user@one/usage", "postgresql://user@one/usage"),
        ("sqlite:////var/lib/usage.db", None),
    ],
)
def test_url_is_shown_as_it_is_written_without_the_password(url: str, shown: str | None) -> None:
    assert display_url(parse_store_url(url)) == (shown or url)
