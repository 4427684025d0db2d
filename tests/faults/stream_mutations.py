"""Mutations of the rules of figures by stream. The simulation must detect every one of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from unittest.mock import patch

import msgspec

from streamusage.agent.journal import rows as journal_rows
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.slot_streams import SlotStreams
from streamusage.agent.metering import stream_figures, stream_shares
from streamusage.api.report import Report, StreamSlotRow
from streamusage.service.rules import apply as rules
from streamusage.service.rules.stream_slots import StoredStreams, newer_streams, sum_shares
from tests.faults.memory import Store
from tests.faults.simulator import Message, Reply, Simulation


class CountsSharesAgain(Simulation):
    """The service adds the streams of a report again where the report is sent again."""

    def handle(self, store: Store, message: Message) -> Reply:
        if isinstance(message, Report) and rules.classify_report(store.state, message) == "duplicate":
            again = newer_streams({}, message.stream_slots, lambda _slot: False)
            for streams in again:
                known = store.streams.get((message.epoch, streams.slot))
                if known is not None:
                    shares = sum_shares((*known.shares, *streams.shares))
                    store.streams[message.epoch, streams.slot] = known._replace(shares=shares)
        return super().handle(store, message)


class AddsSharesOfReports(Simulation):
    """The service adds the streams of a slot to those that it has, as if reports had differences."""

    def run(self) -> Simulation:
        def add(
            stored: Mapping[int, StoredStreams], rows: Iterable[StreamSlotRow], came_late: Callable[[int], bool]
        ) -> list[StoredStreams]:
            return [
                streams._replace(shares=sum_shares((*streams.shares, *stored[streams.slot].shares)))
                if streams.slot in stored
                else streams
                for streams in newer_streams(stored, rows, came_late)
            ]

        with patch.object(rules, "newer_streams", add):
            return super().run()


class DropsRemainders(Simulation):
    """Shares are rounded down, and the remainders belong to no stream."""

    def run(self) -> Simulation:
        def deal(total: int, weights: Mapping[Any, int]) -> dict[Any, int]:
            whole = sum(weights.values())
            return {key: total * weight // whole for key, weight in weights.items() if total * weight} if whole else {}

        with patch.object(stream_shares, "deal", deal):
            return super().run()


class MovesLateParts(Simulation):
    """What comes late is filed under another stream of the slot."""

    def run(self) -> Simulation:
        def move(
            stored: Mapping[int, StoredStreams], rows: Iterable[StreamSlotRow], came_late: Callable[[int], bool]
        ) -> list[StoredStreams]:
            moved = []
            for streams in newer_streams(stored, rows, came_late):
                names = [share.name for share in streams.shares]
                renamed = [
                    msgspec.structs.replace(share, name=name)
                    for share, name in zip(streams.shares, (*names[1:], names[0]), strict=True)
                ]
                moved.append(streams._replace(shares=sum_shares(renamed)) if came_late(streams.slot) else streams)
            return moved

        with patch.object(rules, "newer_streams", move):
            return super().run()


class KeepsFirstShares(Simulation):
    """The service keeps the streams of a slot as they came first."""

    def run(self) -> Simulation:
        def keep(
            stored: Mapping[int, StoredStreams], rows: Iterable[StreamSlotRow], came_late: Callable[[int], bool]
        ) -> list[StoredStreams]:
            return [streams for streams in newer_streams(stored, rows, came_late) if streams.slot not in stored]

        with patch.object(rules, "newer_streams", keep):
            return super().run()


class LosesSharesInBridge(Simulation):
    """A new journal bridges the figures of the server, and not those of its streams."""

    def make_ledger(self) -> Ledger:
        ledger = super().make_ledger()
        begin_life = ledger._begin_life

        def without_streams(*arguments: Any) -> None:
            begin_life(*arguments)
            ledger._bridge = tuple(row for row in ledger._bridge if not isinstance(row, SlotStreams))

        ledger._begin_life = without_streams  # type: ignore[method-assign]
        return ledger


class ReplacesSharesInJournal(Simulation):
    """A reading replaces the streams of a slot in the journal instead of adding to them."""

    def run(self) -> Simulation:
        with patch.object(journal_rows, "merge_slot_streams", lambda _older, newer: newer):
            return super().run()


class DealsEachSlotAlone(Simulation):
    """The bytes of each slot are rounded on their own, so that a stream does not have what its counter shows."""

    def run(self) -> Simulation:
        def deal_each(amounts: Sequence[Any], weights: Mapping[Any, int]) -> Any:
            for slot, amount in amounts:
                yield slot, stream_shares.deal(amount, weights)

        with patch.object(stream_figures, "deal_over_slots", deal_each):
            return super().run()


STREAM_MUTATIONS: tuple[Callable[[int], Simulation], ...] = (
    CountsSharesAgain,
    AddsSharesOfReports,
    DropsRemainders,
    MovesLateParts,
    KeepsFirstShares,
    LosesSharesInBridge,
    ReplacesSharesInJournal,
    DealsEachSlotAlone,
)
