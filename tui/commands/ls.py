"""`streamtop ls`: the sessions of a service."""

import click

from tui.commands.shell import connection_options, counted, format_option, say, talk, tz_option
from tui.commands.views import session_view
from tui.output import Format, print_rows
from tui.settings import Connection


@click.command()
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@format_option()
@tz_option
@connection_options
def ls(connection: Connection, words: tuple[str, ...], output_format: Format) -> None:
    """Lists the sessions, the one with most active subscribers first.

    FILTER words pick the sessions whose SCOPE/NAME holds every one of them, in any case of letters.

    A slash inside a stream's name is shown as %2F: SCOPE/NAME and START TIME are what rm takes.

    \b
    Examples:
      streamtop ls
      streamtop ls live/ keynote
      streamtop ls --format json > records.json
      streamtop ls --url https://sm.example.net --token-file ~/.config/streamtop/token
    """
    records = talk(connection, lambda client: client.usage())
    wanted = [word.casefold() for word in words]
    found = [record for record in records if all(word in str(record.stream).casefold() for word in wanted)]
    found.sort(key=lambda record: (-record.active_subscribers, -record.start_time, record.scope, record.name))
    print_rows(found, session_view(connection.tz), output_format)
    if words:
        say(f"{counted(len(found), 'session')} of {len(records):,} at {connection.host}")
    else:
        say(f"{counted(len(found), 'session')} at {connection.host}")
