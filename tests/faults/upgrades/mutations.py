"""Mutations of the rules for boots that serve connections at once. The simulation must detect every one of them."""

from typing import Any
from unittest.mock import patch

from streamusage.agent.metering import meter
from streamusage.agent.metering.line_boots import LineBoots
from streamusage.agent.metering.viewer_matching import DRIFT_PER_MS, LONGEST_ANSWER_MS
from tests.faults.upgrades.simulation import UpgradeSimulation


class EndsNearestViewerOfAllBoots(UpgradeSimulation):
    """A line ends the viewer with the nearest start, whatever its stream and its boot are."""

    def run(self) -> "UpgradeSimulation":
        with patch.object(meter, "match_viewer", _match_nearest):
            super().run()
        return self


class CreditsLinesOfSeveralBoots(UpgradeSimulation):
    """The bytes of a line are added to the boot whose viewer it seems to end, although another boot used its id."""

    def run(self) -> "UpgradeSimulation":
        with patch.object(LineBoots, "is_shared", lambda *_: False):
            super().run()
        return self


class TakesUpgradesForReloads(UpgradeSimulation):
    """The agent takes every earlier worker that is seen for one of the present master, whose ids go on."""

    def run(self) -> "UpgradeSimulation":
        with patch.object(LineBoots, "_continues", _drains_for_certain):
            super().run()
        return self


class HidesSharedIds(UpgradeSimulation):
    """The time in which the bytes of a line are not counted because two boots used its id is not marked."""

    def run(self) -> "UpgradeSimulation":
        with patch.object(meter, "IDS_BEGAN_AGAIN", ""):
            super().run()
        return self


MUTATIONS = (EndsNearestViewerOfAllBoots, CreditsLinesOfSeveralBoots, TakesUpgradesForReloads, HidesSharedIds)


def _match_nearest(line: Any, started_at: int, viewers: Any, boots: list[str], *_: Any) -> Any:
    candidates = [viewers[key] for boot in boots if (key := f"{boot}/{line.connection_id}") in viewers]
    near_ms = line.granularity_ms + LONGEST_ANSWER_MS + line.duration_ms // DRIFT_PER_MS
    near = [viewer for viewer in candidates if abs(viewer.started_at - started_at) <= near_ms]
    return min(near, key=lambda viewer: abs(viewer.started_at - started_at), default=None)


def _drains_for_certain(boots: LineBoots, boot: str) -> bool:
    return boot == boots.present or boots.draining.get(boot, False) or boot in boots.reading.drained
