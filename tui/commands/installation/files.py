"""`streamtop files`: where the files are that the program carries, such as units of systemd and dashboards."""

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import LOCAL_EXIT_CODES
from tui.commands.installation.packaged_files import FOLDER, PackagedFile, kinds, list_files
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.output import Format, ListColumn, View, attributes

_VIEW = View[PackagedFile](
    columns=[
        *attributes("kind"),
        ListColumn("file", lambda file: str(file.path.relative_to(FOLDER))),
        ListColumn("path", lambda file: str(file.path)),
        *attributes("purpose", shrinks=True),
    ],
    table=("kind", "file", "purpose"),
    csv=("kind", "path", "purpose"),
    narrow=("kind",),
    document=lambda file: {"kind": file.kind, "path": str(file.path), "purpose": file.purpose},
)


@click.command(cls=HelpfulCommand, exit_codes=LOCAL_EXIT_CODES)
@click.argument("kind", type=click.Choice(kinds()), metavar="[KIND]", required=False)
@click.option("--paths", is_flag=True, help="Print only the paths, one a line.")
@listing_options(lambda: _VIEW, watch=False)
def files(kind: str | None, paths: bool, listing: ListingOptions) -> None:
    """List the files that this installation carries: where they are, and what each is for.

    KIND limits the list to one kind.

    \b
    Examples:
      streamtop files
      cp $(streamtop files systemd --paths) /etc/systemd/system/
      streamtop files grafana --format json
    """
    found = [file for name in ([kind] if kind is not None else kinds()) for file in list_files(name)]
    if paths:
        click.echo("".join(f"{file.path}\n" for file in found), nl=False)
        return
    messages = [f"they are in {FOLDER}"] if listing.printing.format is Format.TABLE else []
    show(lambda: ListedRows(rows=found, view=_VIEW, messages=messages), listing)
