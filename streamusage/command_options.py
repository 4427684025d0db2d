"""Types of command-line options that several commands share. docs/values.md describes what they read."""

import click

from streamusage.core.addresses import Address, AddressError, parse_host_port
from streamusage.core.durations import UNIT_MS, UNIT_NAMES, DurationError, Unit, parse_duration_ms
from streamusage.core.text import quote_input


class Duration(click.ParamType[int]):
    """A duration such as 90s, 1h30m or 2w, in milliseconds.

    `default_unit` is the unit of a bare number. The duration is within `shortest` and `longest`, and with `whole` a
    whole number of that unit.
    """

    name = "duration"

    def __init__(
        self,
        *,
        default_unit: Unit | None = None,
        shortest: str | None = None,
        longest: str | None = None,
        whole: Unit = "ms",
    ) -> None:
        self._default_unit = default_unit
        self._shortest = shortest
        self._longest = longest
        self._whole = whole

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the milliseconds of the text; fail with an example for any other text."""
        try:
            length_ms = parse_duration_ms(
                value, default_unit=self._default_unit, shortest=self._shortest, longest=self._longest
            )
        except DurationError as error:
            self.fail(str(error), param, ctx)
        if length_ms % UNIT_MS[self._whole]:
            name = UNIT_NAMES[self._whole]
            self.fail(
                f"{quote_input(value)} is out of range; expected whole {name}, such as 7{self._whole}", param, ctx
            )
        return length_ms


class HostPort(click.ParamType[Address]):
    """An address HOST:PORT."""

    name = "HOST:PORT"

    def convert(self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Return the address of the text; fail with examples for any other text."""
        if isinstance(value, Address):
            return value
        try:
            return parse_host_port(value)
        except AddressError as error:
            self.fail(str(error), param, ctx)


LOG_FORMAT = click.option(
    "--log-format",
    type=click.Choice(["text", "kv", "json"]),
    default="text",
    show_default=True,
    help="Format of the log on stderr, one line for each event.",
)
"""The option of programs that log: a `streamusage.core.log_output.LogFormat`."""
