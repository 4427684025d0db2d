"""Types of command-line options that several commands share. docs/values.md describes what they read."""

import click

from streamusage.core.durations import UNIT_MS, DurationError, Unit, parse_duration_ms


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
            self.fail(f"{value!r} is out of range; expected a duration in whole {self._whole}, such as 7d", param, ctx)
        return length_ms


class HostPort(click.ParamType[tuple[str, int]]):
    """An address HOST:PORT, with an IPv6 host in brackets."""

    name = "HOST:PORT"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return host and port of the text; fail with an example for any other text."""
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            self.fail(f"{value!r} is not HOST:PORT, such as 127.0.0.1:5080 or [::1]:5080", param, ctx)
        return host, int(port)
