"""The line mode of several services: the sentences of each, with its name."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from textual.message import Message

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import Clock
from tui.app.line_mode import LineMode, TokenRefusedError
from tui.app.messages import SessionsPolled
from tui.app.poller import Poller
from tui.app.state import ConsoleState
from tui.config.service_client import open_client
from tui.config.settings import ConnectionSettings
from tui.model.services.keys import SessionsOfService, in_service
from tui.model.sessions.filter import Filter, FilterError
from tui.model.text import sanitize
from tui.recording.keeper import record_knowledge
from tui.recording.recording import PollWriter, Recording


class ServicesLines:
    """Polls several services and writes what changes at each. One that cannot be used ends alone."""

    def __init__(
        self,
        settings: ConnectionSettings,
        filter_text: Filter,
        write: Callable[[str], None],
        recording: Recording | None,
        *,
        clock: Clock,
        summary_ms: int,
    ) -> None:
        self._settings = {one.profile or "": one for one in settings.services}
        self._clock, self._tz = clock, settings.tz
        self._writers: dict[str, PollWriter] = {} if recording is None else recording.of_services(self._settings)
        self._modes: dict[str, LineMode] = {}
        """The services that are polled."""
        for name, one in self._settings.items():
            state = ConsoleState(clock=clock, host=one.host, settings=one)
            state.tz = self._tz
            state.view.show(filter_text)
            self._modes[name] = LineMode(state, write, summary_ms=summary_ms, service=name)

    async def run(self) -> None:
        """Poll until cancelled. Raises the last reason when no service is left that can be polled."""
        async with AsyncExitStack() as stack:
            clients = {
                name: await stack.enter_async_context(open_client(one, self._clock))
                for name, one in self._settings.items()
            }
            polls = [asyncio.create_task(self._poll(name, client)) for name, client in clients.items()]
            try:
                await asyncio.gather(*polls)
            finally:
                for task in polls:
                    task.cancel()
                await asyncio.gather(*polls, return_exceptions=True)

    async def _poll(self, name: str, client: UsageClient) -> None:
        settings, writer = self._settings[name], self._writers.get(name)
        poller = Poller(
            client, partial(self._receive, name), interval_seconds=settings.poll_interval_s, clock=self._clock
        )
        keeping = None if writer is None else asyncio.create_task(record_knowledge(client, writer, self._tz))
        try:
            await poller.run()
        except (TokenRefusedError, FilterError) as error:
            mode = self._modes.pop(name)
            if not self._modes:
                raise
            more = f": {sanitize(str(error))}" if isinstance(error, FilterError) else ""
            mode.write_sentence(f"not polled any more{more}; {', '.join(map(sanitize, self._modes))} still polled")
        finally:
            if keeping is not None:
                keeping.cancel()

    def _receive(self, name: str, message: Message) -> None:
        if name in self._writers:
            self._writers[name].write_message(message)
        if isinstance(message, SessionsPolled):
            message = replace(
                message,
                changed=SessionsOfService(message.changed, name),
                removed=[in_service(key, name) for key in message.removed],
                service=name,
            )
        self._modes[name].receive(message)
