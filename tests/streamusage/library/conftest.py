"""One real service with figures for all tests of the library."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.library.service_in_thread import estate_with_days, running_in_thread


@pytest.fixture(scope="package")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("library")
    with running_in_thread(lambda: estate_with_days(directory)) as url:
        yield url


@pytest.fixture
def environment(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address and an admin's token in the environment."""
    monkeypatch.setenv("STREAMTOP_URL", url)
    monkeypatch.setenv("STREAMTOP_TOKEN", "admin-token")
    return url
