"""Fixtures of the tests against real servers. Without its tools a test is skipped, unless CI requires all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.needs import BY_MARKER, need
from tests.support.real.nginx import Nginx, encode_clip
from tests.support.real.node_media_server import install_node_media_server
from tests.support.real.processes import Programs


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need(*BY_MARKER["real"])
    return encode_clip(tmp_path_factory.mktemp("clip") / "clip.flv")


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    with Programs(tmp_path) as started:
        yield started


@pytest.fixture
async def nginx(tmp_path: Path, programs: Programs, clip: Path) -> Nginx:
    directory = tmp_path / "nginx"
    directory.mkdir()
    server = Nginx(directory, programs, clip)
    await server.start()
    return server


@pytest.fixture(scope="session")
def node_media_server_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_node_media_server(tmp_path_factory.mktemp("npm"))
