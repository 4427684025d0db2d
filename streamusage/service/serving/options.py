"""Types of the options of `streamtop serve`."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streamusage.command_options import Duration

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from streamusage.service.limits import Limits

Command = TypeVar("Command", bound=Callable[..., Any])

_RESERVED_FILES = 128
"""Open files for the store and its readers, and for connections that are being refused."""


def parse_zones(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> "tuple[ZoneInfo, ...]":
    """Return the time zones of these names."""
    from streamusage.core.days import UnknownZoneError, zone

    try:
        return tuple(zone(name) for name in dict.fromkeys(names))
    except UnknownZoneError as error:
        raise click.BadParameter(str(error)) from None


def parse_request_limits(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> "Limits":
    """Return the limits that texts such as `report-rows=1000000` change."""
    from streamusage.service.limits import LimitError, parse_limits

    try:
        return parse_limits(texts)
    except LimitError as error:
        raise click.BadParameter(str(error)) from None


def max_connections(most: int) -> int:
    """Return how many connections fit into the open files allowed, less those of the store and its readers, `most` at
    most. Further connections are refused with an answer, which needs a file as well.
    """
    import resource

    wanted = most + _RESERVED_FILES
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    with suppress(OSError, ValueError):  # some systems allow fewer than they report
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(files, wanted) - _RESERVED_FILES)


SETTLING = Duration(longest="999999d")
"""How long after the end of a day something happens."""


def days_option(name: str, default: str | None, help_text: str, shortest: str = "1d") -> Callable[[Command], Command]:
    """Return an option that is a whole number of days."""
    kind = Duration(default_unit="d", shortest=shortest, longest="36500d", whole="d")
    return click.option(
        name, type=kind, default=default, show_default=default is not None, metavar="DAYS", help=help_text
    )
