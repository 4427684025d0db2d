"""The console that plays a recording: of one service, or of several in one table. There is no service."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace
from textual.message import Message

from streamusage.core.clock import Clock
from tui.app.console_app import ConsoleApp
from tui.config.paths import journal_path
from tui.config.settings import ConnectionSettings
from tui.recording.player import Player
from tui.recording.recording import RecordedPoll, poll_interval_s, services_of
from tui.styles.themes import Abilities


class Replay(NamedTuple):
    """A console, and the player whose polls it shows."""

    app: ConsoleApp
    player: Player


def create_replay(
    polls: Sequence[RecordedPoll],
    settings: ConnectionSettings,
    *,
    clock: Clock,
    from_ms: int = 0,
    speed: float = 1.0,
    able: Abilities | None = None,
) -> Replay:
    """Return a console of a recording, called as the profile of `settings`; `speed` is that of the `Player`."""
    services = services_of(polls)
    name = settings.profile or ""
    players: list[Player] = []
    app: ConsoleApp
    if services:
        from tui.app.services.app import ServicesApp
        from tui.app.services.player import ServicesPlayer

        parts = [
            replace(
                settings,
                url="",
                profile=service,
                poll_interval_s=poll_interval_s([poll for poll in polls if poll.service == service]),
            )
            for service in services
        ]

        def play_services(labelled: Callable[[str], Callable[[Message], object]]) -> ServicesPlayer:
            player = ServicesPlayer(services, list(polls), labelled, from_ms, clock, speed=speed)
            players.append(player)
            return player

        app = ServicesApp(
            {},
            replace(settings, poll_interval_s=min(part.poll_interval_s for part in parts), services=tuple(parts)),
            clock=clock,
            journal_path=journal_path(),
            host=name,
            able=able,
            make_player=play_services,
        )
    else:

        def play(post: Callable[[Message], object]) -> Player:
            players.append(Player(list(polls), post, from_ms, clock, speed=speed))
            return players[0]

        app = ConsoleApp(
            None,
            replace(settings, poll_interval_s=poll_interval_s(polls)),
            clock=clock,
            journal_path=journal_path(),
            host=name,
            able=able,
            make_source=play,
        )
    for state in (app.state, *app.state.parts.values()):
        state.shows_skew = False  # the recording is of another time than now
    return Replay(app, players[0])
