"""Instants on the command line; `streamusage.core.instants` has the grammar."""

import click

from streamusage.core.instants import AtNow, InstantError, parse_instant


def instant(text: str) -> AtNow:
    """Return the instant of an option. Raises `click.BadParameter`."""
    try:
        return parse_instant(text)
    except InstantError as error:
        raise click.BadParameter(str(error)) from None
