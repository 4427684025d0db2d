"""Fixtures of the console's tests: the store of the frozen service, created once, and snapshots of the screen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.image import SVGImageSnapshotExtension

from streamusage.client.usage_client import UsageClient
from tests.support.console.clocks import speed_up_keys, wait_for_idle
from tests.support.console.frozen_service import build_store
from tests.support.waiting import PATIENT


@pytest.fixture(scope="session")
def store_of_an_hour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of `frozen_service.py`; copy it before use."""
    return build_store(tmp_path_factory.mktemp("estate"))


@pytest.fixture(scope="session", autouse=True)
def _patient_pilot() -> Iterator[None]:
    """Make the pilot's wait after a key independent of the machine's load."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textual.pilot.wait_for_idle", wait_for_idle)
        yield


@pytest.fixture(scope="session", autouse=True)
def _patient_client() -> Iterator[None]:
    """Raise the client's time limits: on a busy machine the console itself may not run for seconds."""
    with pytest.MonkeyPatch.context() as patch:
        defaults = UsageClient.__init__.__kwdefaults__ | {"options": PATIENT}
        patch.setattr(UsageClient.__init__, "__kwdefaults__", defaults)
        yield


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compares with the stored picture; `pytest --snapshot-update` stores a new one."""
    return snapshot.use_extension(SVGImageSnapshotExtension)


@pytest.fixture
def fast_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes Textual check four times as often whether the console is idle after a key."""
    speed_up_keys(monkeypatch)
