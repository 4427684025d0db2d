"""What is known of bytes by log lines: of boots that are over, and of a journal's predecessor. Pure."""

import msgspec

from streamusage.agent.metering import counters
from streamusage.agent.metering.additions import Additions
from streamusage.api.report import Baseline, RetiredBoot
from streamusage.core.coverage import slot_of


def inherit_log(own: Baseline, bridged: Baseline) -> tuple[Baseline, Additions]:
    """A new journal's baseline with what its predecessor knew of the log, and the bytes that follow from it.

    `bridged` is the predecessor's state brought forward to the journal's first reading. Lines of sessions that
    ended before belong to the same sums by which the bytes of a boot that is over are found.
    """
    additions = Additions()
    known = {own.boot, *(boot.boot for boot in own.retired)}
    retired = []
    for boot in own.retired:
        if boot.boot == bridged.boot:
            more_in, more_out = bridged.logged_in, bridged.logged_out
            boot, missed_in, missed_out = with_lines(boot, more_in, more_out)
            addition = additions.slot(slot_of(own.at))
            addition.bytes_in += missed_in
            addition.bytes_out += missed_out
        retired.append(boot)
    is_same = own.boot == bridged.boot
    moved = counters.inherit(own.counters, bridged.counters)
    if moved.bytes_in or moved.bytes_out:
        addition = additions.slot(slot_of(own.at))
        addition.bytes_in += moved.bytes_in
        addition.bytes_out += moved.bytes_out
    baseline = msgspec.structs.replace(
        own,
        retired=(*(boot for boot in bridged.retired if boot.boot not in known), *retired),
        logged_in=own.logged_in + (bridged.logged_in if is_same else 0),
        logged_out=own.logged_out + (bridged.logged_out if is_same else 0),
        counters=moved.counters,
    )
    return baseline, additions


def with_lines(boot: RetiredBoot, bytes_in: int, bytes_out: int) -> tuple[RetiredBoot, int, int]:
    """A boot that is over after more log lines, and the bytes by which its lines exceed what is counted of it."""
    logged_in, logged_out = boot.logged_in + bytes_in, boot.logged_out + bytes_out
    more_in, more_out = max(0, logged_in - boot.bytes_in), max(0, logged_out - boot.bytes_out)
    after = msgspec.structs.replace(
        boot,
        logged_in=logged_in,
        logged_out=logged_out,
        bytes_in=boot.bytes_in + more_in,
        bytes_out=boot.bytes_out + more_out,
    )
    return after, more_in, more_out
