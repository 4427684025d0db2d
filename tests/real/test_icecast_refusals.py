"""Encoders that a real Icecast refuses: a wrong password, and a mount that another encoder has."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.agent.counting import Counting
from tests.support.needs import BY_MARKER, need
from tests.support.real.icecast import Icecast
from tests.support.real.processes import Programs, until

pytestmark = pytest.mark.real_icecast

REFUSALS = 5


@pytest.fixture
def icecast(programs: Programs) -> Iterator[Icecast]:
    need(*BY_MARKER["real_icecast"])
    with TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        yield Icecast(Path(directory), programs)


async def test_refused_encoders_make_no_session(icecast: Icecast) -> None:
    await icecast.start()
    counting = Counting(icecast.open_source())
    await counting.begin()
    publisher = icecast.publish()
    await icecast.wait_until_published()
    await counting.step()
    for _ in range(REFUSALS):
        for refused in (icecast.publish("/live/stolen.mp3", "wrong"), icecast.publish()):
            await until(lambda refused=refused: not refused.running, "the encoder gave up")
        await counting.step()
    publisher.stop()
    await icecast.wait_until_idle()
    await counting.step()
    await counting.source.close()
    assert [(session.name, session.live) for session in counting.sessions.values()] == [("a.mp3", False)]
    assert counting.connections == 0
    lines = icecast.access_log.read_text()
    assert lines.count(" 401 ") >= REFUSALS, "Icecast refused the wrong password"
