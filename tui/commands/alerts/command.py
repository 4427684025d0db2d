"""`streamtop alerts`: the alerts of the service, their receivers, silences, and test messages."""

import importlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from streamusage.api.alerts import (
    AlertList,
    AlertStatus,
    DeliveryTest,
    ReceiverStatus,
    Silence,
    SilenceResult,
)
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand, HelpfulGroup
from streamusage.command_options import Duration
from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode
from tui.commands.alerts.tables import alert_view, receiver_view, silence_view
from tui.commands.errors import CommandError
from tui.commands.flags import tz_option
from tui.commands.listing import ListedRows, ListingOptions, listing_options, show
from tui.commands.shell import connection_options, counted, print_message, refuse_if_read_only, run_requests
from tui.config.settings import ConnectionSettings
from tui.model.alert_list import describe_counts, failing_receivers, format_matchers, of_phase, parse_matchers
from tui.model.formats import time_text
from tui.output import UTC, View

Row = TypeVar("Row")

_DIRECT_TEST = "streamusage.service.alerts.direct_test"
"""Imported by name: it belongs to the service, as `serve` does."""


@click.group(
    cls=HelpfulGroup,
    invoke_without_command=True,
    exit_codes={
        **CLIENT_EXIT_CODES,
        ExitCode.SUCCESS: "success; with --fail: no alert fires",
        ExitCode.FAILURE: "with --fail: an alert fires that is not silenced",
    },
)
@click.option("--all", "with_resolved", is_flag=True, help="Also list those that were resolved within a day.")
@click.option("--fail", is_flag=True, help="For monitoring: exit 1 if an alert fires that is not silenced.")
@listing_options(lambda: alert_view(UTC))
@tz_option
@connection_options
def alerts(connection: ConnectionSettings, with_resolved: bool, fail: bool, listing: ListingOptions) -> None:
    """List the alerts that the service evaluates and sends to webhooks (serve --alerts FILE, docs/alerts.md).

    \b
    pending   its condition holds, shorter than the rule's `for`
    firing    its receivers were sent it, or will be
    silenced  it fires, and a silence keeps its messages back
    resolved  its condition is over

    \b
    Examples:
      streamtop alerts
      streamtop alerts --fail
      streamtop alerts receivers
      streamtop alerts test ops
      streamtop alerts silence server='edge-*' --for 2h --reason "new disks"
      streamtop alerts silences
      streamtop alerts end 5f0c2a91
    """

    async def read(client: UsageClient) -> AlertList:
        return await client.alerts.list()

    def find() -> ListedRows[AlertStatus]:
        answer = run_requests(connection, read)
        found = [alert for alert in answer.alerts if with_resolved or alert.phase != "resolved"]
        firing: list[AlertStatus] = of_phase(answer.alerts, "firing")
        failure = None
        if fail and firing:
            failure = CommandError(
                f"{connection.host}: {counted(len(firing), 'alert')} firing: {firing[0].summary}", ExitCode.FAILURE
            )
        return ListedRows(
            rows=found, view=alert_view(connection.tz), messages=_messages(answer, connection), failure=failure
        )

    show(find, listing)


def _messages(answer: AlertList, connection: ConnectionSettings) -> list[str]:
    return [
        _describe(answer, connection),
        *(f"the rule {rule} cannot be evaluated: {cause}" for rule, cause in answer.failing_rules.items()),
        *(
            f"the receiver {receiver.name} does not accept messages, {counted(receiver.pending, 'message')} "
            f"{'waits' if receiver.pending == 1 else 'wait'}: {receiver.error}"
            for receiver in failing_receivers(answer)
        ),
    ]


def _describe(answer: AlertList, connection: ConnectionSettings) -> str:
    if not answer.is_configured:
        return f"{connection.host} evaluates no alert rules; start it with serve --alerts FILE"
    text = f"{describe_counts(answer.alerts)}; {counted(answer.rules, 'rule')}"
    if answer.sender and answer.checked_at is not None:
        return f"{text}, evaluated by {answer.sender} at {time_text(answer.checked_at, connection.tz)}"
    return f"{text}; no process evaluates them now"


@alerts.command("receivers")
@listing_options(lambda: receiver_view(UTC))
@tz_option
@connection_options
def receivers(connection: ConnectionSettings, listing: ListingOptions) -> None:
    """List the receivers, and how the deliveries to them fare.

    \b
    Examples:
      streamtop alerts receivers
      streamtop alerts receivers --format json
    """

    async def read(client: UsageClient) -> Sequence[ReceiverStatus]:
        return (await client.alerts.list()).receivers

    _show_rows(connection, listing, read, receiver_view(connection.tz), "receiver")


def _show_rows(
    connection: ConnectionSettings,
    listing: ListingOptions,
    read: Callable[[UsageClient], Awaitable[Sequence[Row]]],
    view: View[Row],
    noun: str,
) -> None:
    """Show rows of the service, and how many they are."""

    def find() -> ListedRows[Row]:
        rows = run_requests(connection, read)
        return ListedRows(rows=rows, view=view, messages=[counted(len(rows), noun)])

    show(find, listing)


@alerts.command(
    "test",
    cls=HelpfulCommand,
    exit_codes={
        **CLIENT_EXIT_CODES,
        ExitCode.SUCCESS: "the receiver accepted the message",
        ExitCode.FAILURE: "the receiver refused it, or gave no answer",
    },
)
@click.argument("name")
@click.option(
    "--file",
    "alerts_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Send it from here with this alerts file, not through the service.",
)
@connection_options
def test(connection: ConnectionSettings, name: str, alerts_file: Path | None) -> None:
    """Send a test message to the receiver NAME and print what it answers.

    The service sends it, with the secrets and the network of the service. With --file, this program sends it instead,
    before there is a service.

    \b
    Examples:
      streamtop alerts test ops
      streamtop alerts test ops --file /etc/streamtop/alerts.toml
    """
    if alerts_file is not None:
        outcome = _test_directly(alerts_file, name)
    else:
        refuse_if_read_only(connection, "nothing was sent")

        async def send(client: UsageClient) -> DeliveryTest:
            return await client.alerts.test(name)

        outcome = run_requests(connection, send)
    answered = f"HTTP {outcome.status}" if outcome.status is not None else "no answer"
    details = f": {outcome.answer}" if outcome.answer else ""
    if not outcome.is_delivered:
        raise CommandError(
            f"the receiver {name} did not accept the test message: {answered}{details}", ExitCode.FAILURE
        )
    print_message(f"the receiver {name} accepted the test message in {outcome.took_ms} ms: {answered}{details}")


def _test_directly(path: Path, name: str) -> DeliveryTest:
    direct, settings = (
        importlib.import_module(_DIRECT_TEST),
        importlib.import_module("streamusage.service.alerts.settings"),
    )
    try:
        sent: DeliveryTest = direct.send_test(path, name)
    except settings.AlertsFileError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    return sent


@alerts.command("silence")
@click.argument("matchers", nargs=-1, required=True, metavar="MATCH...")
@click.option(
    "--for",
    "for_ms",
    type=Duration(shortest="1s", longest="366d"),
    required=True,
    metavar="TIME",
    help="How long: 30m, 2h, 1d (docs/values.md).",
)
@click.option("--reason", required=True, metavar="TEXT", help="Why, for others who list the silences.")
@tz_option
@connection_options
def silence(connection: ConnectionSettings, matchers: tuple[str, ...], for_ms: int, reason: str) -> None:
    """Keep messages about matching alerts back for a time. They stay listed.

    MATCH is label=pattern, in which * stands for any text; all of them must match. Labels are those that the alert has,
    and rule, kind and severity. A word without = is a rule's name.

    \b
    Examples:
      streamtop alerts silence server='edge-*' --for 2h --reason "new disks"
      streamtop alerts silence "server missing" server=edge-3 --for 1d --reason "moved"
    """
    refuse_if_read_only(connection, "nothing was silenced")
    try:
        parsed = parse_matchers(matchers)
    except ValueError as error:
        raise CommandError(f"{error}; nothing was silenced", ExitCode.USAGE) from None

    async def begin(client: UsageClient) -> tuple[SilenceResult, AlertList]:
        return await client.alerts.silence(parsed, for_ms, reason), await client.alerts.list()

    result, answer = run_requests(connection, begin)
    begun = result.silence
    print_message(
        f"silenced {format_matchers(begun.matchers)} at {connection.host} until "
        f"{time_text(begun.ends_at, connection.tz)} ({connection.tz.key}); end it with: streamtop alerts end {begun.id}"
    )
    if not answer.is_configured:
        print_message(_describe(answer, connection))


@alerts.command("silences")
@listing_options(lambda: silence_view(UTC))
@tz_option
@connection_options
def silences(connection: ConnectionSettings, listing: ListingOptions) -> None:
    """List the silences that have not ended.

    \b
    Examples:
      streamtop alerts silences
      streamtop alerts silences --format json
    """

    async def read(client: UsageClient) -> Sequence[Silence]:
        return (await client.alerts.silences()).silences

    _show_rows(connection, listing, read, silence_view(connection.tz), "silence")


@alerts.command("end")
@click.argument("silence_id", metavar="ID")
@connection_options
def end(connection: ConnectionSettings, silence_id: str) -> None:
    """End the silence ID now. An alert of it that still fires is sent.

    \b
    Examples:
      streamtop alerts end 5f0c2a91
    """
    refuse_if_read_only(connection, "no silence was ended")

    async def finish(client: UsageClient) -> SilenceResult:
        return await client.alerts.end_silence(silence_id)

    ended = run_requests(connection, finish).silence
    print_message(f"ended the silence {ended.id} of {format_matchers(ended.matchers)} at {connection.host}")
