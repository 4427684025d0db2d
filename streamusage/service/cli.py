"""`streamtop serve`: the usage service as a command."""

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from streamusage.command_help import HelpfulCommand
from streamusage.command_options import Duration, HostPort
from streamusage.core.addresses import Address
from streamusage.core.durations import UNIT_MS
from streamusage.core.exit_codes import ExitCode
from streamusage.core.local_service import TOKEN_FILE, data_directory, note_address

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from streamusage.service.limits import Limits
    from streamusage.service.tokens import Tokens

Command = TypeVar("Command", bound=Callable[..., Any])

_RESERVED_FILES = 128
"""Open files for the store and its readers, and for connections that are being refused."""


def _zones(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> "tuple[ZoneInfo, ...]":
    from streamusage.core.days import UnknownZoneError, zone

    try:
        return tuple(zone(name) for name in dict.fromkeys(names))
    except UnknownZoneError as error:
        raise click.BadParameter(str(error)) from None


def _limits(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> "Limits":
    from streamusage.service.limits import LimitError, parse_limits

    try:
        return parse_limits(texts)
    except LimitError as error:
        raise click.BadParameter(str(error)) from None


def _max_connections(most: int) -> int:
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


_SETTLING = Duration(longest="999999d")


def _kept(name: str, default: str | None, help_text: str, shortest: str = "1d") -> Callable[[Command], Command]:
    """Return an option that is a whole number of days."""
    kind = Duration(default_unit="d", shortest=shortest, longest="36500d", whole="d")
    return click.option(
        name, type=kind, default=default, show_default=default is not None, metavar="DAYS", help=help_text
    )


@click.command(
    cls=HelpfulCommand,
    exit_codes={
        ExitCode.SUCCESS: "stopped by SIGTERM or ctrl+c",
        ExitCode.USAGE: "wrong usage, tokens file or certificate",
        ExitCode.UNAVAILABLE: "the address cannot be listened at, or the store cannot be opened",
    },
)
@click.option(
    "--listen",
    type=HostPort(),
    default="127.0.0.1:5080",
    show_default=True,
    help="Address to listen on. Port 0 takes a free port, which is printed (docs/values.md).",
)
@click.option(
    "--store",
    metavar="URL",
    help="The store, such as sqlite:////var/lib/streamtop/usage.db (four slashes for an absolute path) or "
    "postgresql://user@host/database (its password from PGPASSWORD or ~/.pgpass). "
    "The default is a SQLite file in the user's data directory.",
)
@click.option(
    "--tokens",
    "tokens_file",
    type=click.Path(path_type=Path),
    help="A TOML file of [[token]] entries with value, value_env or sha256, and role = admin, viewer or agent (with "
    "server). Without it, the first start creates an admin token in the user's data directory and prints its path.",
)
@click.option(
    "--account-zone",
    "account_zones",
    multiple=True,
    default=["UTC"],
    show_default=True,
    metavar="ZONE",
    callback=_zones,
    help="A time zone whose accounting days are closed once every server has reported past their end, such as "
    "Europe/Berlin. May be given several times.",
)
@click.option(
    "--customers",
    "customers_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A TOML file of [[customer]] entries with name, scopes and streams, perhaps from and to, for daily statistics "
    "by customer (docs/customers.md).",
)
@click.option(
    "--close-settle",
    default="2m",
    show_default=True,
    metavar="TIME",
    type=_SETTLING,
    help="How far past a day's end every server must have reported before the day is closed: time for the log lines "
    "of its last seconds.",
)
@click.option(
    "--close-grace",
    default="1h",
    show_default=True,
    metavar="TIME",
    type=_SETTLING,
    help="How long after a day's end an operator may close it (streamtop daily close): 1h30m, 2d (docs/values.md).",
)
@click.option(
    "--statement-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The private key that signs statements (streamtop key new FILE). Without it they are not signed.",
)
@click.option(
    "--correction-approval",
    type=click.Choice(["second-token", "none"]),
    default="second-token",
    show_default=True,
    help="What a correction of a closed day needs before it is billed: the approval of an admin's token other than the "
    "one that proposed it, or nothing. What arrives late is proposed by the service itself.",
)
@click.option(
    "--correction-automatic",
    type=click.FloatRange(0, 100),
    default=0,
    show_default=True,
    metavar="PERCENT",
    help="Approve what arrives late by itself while all of it changes each sum of the day by at most this percentage.",
)
@click.option(
    "--cross-check",
    type=click.FloatRange(0, 100),
    default=2,
    show_default=True,
    metavar="PERCENT",
    help="From which difference on figures of an hour that were counted in two ways are a disagreement (streamtop "
    "disagreements). 0 turns the comparisons off.",
)
@click.option("--tls-cert", type=click.Path(path_type=Path), metavar="FILE", help="Certificate with its chain, PEM.")
@click.option("--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="The certificate's key, PEM.")
@_kept(
    "--usage-stats-discard-threshold-days",
    "7",
    "How long a usage record is kept after its last change: 7 (days) or 2w (docs/values.md).",
)
@_kept(
    "--daily-statistics-days",
    "400",
    "How long daily statistics, the orphan ledger and the audit log are kept: 400 (days) or 52w.",
)
@_kept(
    "--hour-statistics-days",
    None,
    "How long hours are kept, of which days of any time zone are summed by group and stream: 200 (days). Afterwards "
    "only UTC days and closed days are. By default as long as daily statistics.",
    shortest="43d",
)
@_kept(
    "--minute-statistics-days",
    None,
    "How long minutes are kept, which show what each gap recovered: 90 (days). Afterwards only their hours are. By "
    "default as long as hours.",
    shortest="41d",
)
@click.option(
    "--edge-timeout",
    type=Duration(default_unit="s", shortest="1s", longest="24h"),
    default="60",
    show_default=True,
    metavar="SECONDS",
    help="How long a server may be silent before its subscribers do not count as active: 60 (seconds), 90s or 2m.",
)
@click.option(
    "--limit",
    "request_limits",
    multiple=True,
    metavar="NAME=N",
    callback=_limits,
    help="Change a limit, such as report-rows=1000000 (docs/operating.md lists all of them). May be given several "
    "times.",
)
@click.option("--access-log", is_flag=True, help="Write a line for every request to stderr, without tokens.")
def serve(
    listen: Address,
    store: str | None,
    tokens_file: Path | None,
    account_zones: "tuple[ZoneInfo, ...]",
    customers_file: Path | None,
    close_settle: int,
    close_grace: int,
    statement_key: Path | None,
    correction_approval: str,
    correction_automatic: float,
    cross_check: float,
    tls_cert: Path | None,
    tls_key: Path | None,
    usage_stats_discard_threshold_days: int,
    daily_statistics_days: int,
    hour_statistics_days: int | None,
    minute_statistics_days: int | None,
    edge_timeout: int,
    request_limits: "Limits",
    access_log: bool,
) -> None:
    """Run the usage service until it is stopped (SIGTERM or ctrl+c).

    SIGHUP reads the tokens file, the customers file and the certificate again. If one of them is invalid, the previous
    ones stay in use.
    """
    import asyncio
    import logging

    from streamusage.evidence.key_files import read_statement_key
    from streamusage.evidence.keys import StatementKeyError
    from streamusage.service.accounting.corrections import ApprovalPolicy, ApprovalRule
    from streamusage.service.customers_file import CustomersError, read_customers
    from streamusage.service.errors import StoreError
    from streamusage.service.http.server.connection_limits import ConnectionLimits
    from streamusage.service.retention import Retention
    from streamusage.service.rules.cross_checks import Threshold
    from streamusage.service.rules.customers import CustomerRules
    from streamusage.service.server import ListenError, Tls, TlsError
    from streamusage.service.store.engines.sqlite import sqlite_url
    from streamusage.service.tokens import TokensError

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("streamusage.service.jobs").setLevel(logging.INFO)
    if access_log:
        logging.getLogger("streamusage.service.access").setLevel(logging.INFO)
    try:
        tokens = _tokens(tokens_file)
    except TokensError as error:
        _fail(error, ExitCode.USAGE)
    try:
        signing_key = None if statement_key is None else read_statement_key(statement_key)
    except StatementKeyError as error:
        _fail(error, ExitCode.USAGE)
    try:
        customers = CustomerRules() if customers_file is None else read_customers(customers_file)
    except CustomersError as error:
        _fail(error, ExitCode.USAGE)
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key must be given together")
    if minute_statistics_days and hour_statistics_days and minute_statistics_days > hour_statistics_days:
        raise click.UsageError("--minute-statistics-days must not be longer than --hour-statistics-days")
    retention = Retention(
        usage_stats_discard_threshold_days // UNIT_MS["d"],
        daily_statistics_days // UNIT_MS["d"],
        minute_statistics_days and minute_statistics_days // UNIT_MS["d"],
        hour_statistics_days and hour_statistics_days // UNIT_MS["d"],
    )
    tls = None if tls_cert is None or tls_key is None else Tls(tls_cert, tls_key)
    settings: dict[str, Any] = {
        "store_url": store or sqlite_url(data_directory() / "usage.db"),
        "host": listen.host,
        "port": listen.port,
        "tls": tls,
        "retention": retention,
        "edge_timeout_ms": edge_timeout,
        "account_zones": account_zones,
        "customers": customers,
        "close_settle_ms": close_settle,
        "close_grace_ms": close_grace,
        "approval": ApprovalPolicy(ApprovalRule(correction_approval), correction_automatic / 100),
        "cross_check": Threshold(cross_check),
        "statement_key": signing_key,
        "limits": ConnectionLimits(connections=_max_connections(request_limits.connections)),
        "request_limits": request_limits,
    }
    # The loop and the writer alternate: at the default of 5 ms an answer would wait for a group of reports.
    sys.setswitchinterval(0.0005)
    try:
        asyncio.run(_serve(tokens, tokens_file, customers_file, settings))
    except TlsError as error:
        _fail(error, ExitCode.USAGE)
    except (ListenError, StoreError) as error:
        _fail(error, ExitCode.UNAVAILABLE)


async def _serve(
    tokens: "Tokens", tokens_file: Path | None, customers_file: Path | None, settings: dict[str, Any]
) -> None:
    import asyncio
    import gc
    import logging
    import signal

    from streamusage.core.clock import SystemClock
    from streamusage.core.open_files import describe_readable
    from streamusage.core.secrets import find_readable_secrets
    from streamusage.service.customers_file import CustomersError, read_customers
    from streamusage.service.server import Tls, TlsError, run_service
    from streamusage.service.tokens import TokensError

    log = logging.getLogger(__name__)
    tls: Tls | None = settings["tls"]
    secret_files = [tokens_file or _admin_token_path(), *([tls.key] if tls is not None else [])]

    def reload() -> None:
        try:
            fresh = _tokens(tokens_file)
            fresh_customers = None if customers_file is None else read_customers(customers_file)
            if running.tls is not None:
                settings[
                    "tls"
                ].context()  # tested first: a key that does not match would leave the certificate half replaced
                settings["tls"].load_into(running.tls)
            tokens.replace_with(fresh)
            if fresh_customers is not None:
                settings["customers"].replace_with(fresh_customers)
            for warning in find_readable_secrets(secret_files):
                log.warning("%s", warning)
        except (TokensError, CustomersError, TlsError) as error:
            log.error("%s; the previous tokens, customers and certificate stay in use", error)
        else:
            customers = "" if customers_file is None else f", {len(settings['customers'])} customers"
            log.warning("reloaded %d tokens%s%s", len(tokens), customers, ", the certificate" if running.tls else "")

    loop = asyncio.get_running_loop()
    async with run_service(tokens=tokens, clock=SystemClock(), **settings) as running:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.stop)
        loop.add_signal_handler(signal.SIGHUP, reload)
        with note_address(running.url, data_directory()) if tokens_file is None else nullcontext():
            click.echo(
                f"streamtop: the usage service listens at {running.url}, store {running.service.store.display_url}",
                err=True,
            )
            for warning in find_readable_secrets(secret_files):
                log.warning("%s", warning)
            store_file = running.service.store.file
            for path in [] if store_file is None else store_file.find_readable_by_others():
                log.warning("%s", describe_readable(path, "figures of customers"))
            # Objects created so far are permanent, and requests leave no reference cycles: frequent garbage collection
            # would take a tenth of the time of a report.
            gc.freeze()
            gc.set_threshold(50_000, 20, 20)
            await running.ended()
    click.echo("streamtop: the usage service has stopped; everything it accepted is stored", err=True)


def _tokens(tokens_file: Path | None) -> "Tokens":
    from streamusage.service.tokens import load_or_create_admin_token, read_tokens

    if tokens_file is not None:
        return read_tokens(tokens_file, os.environ)
    path = _admin_token_path()
    tokens, made = load_or_create_admin_token(path)
    if made:
        click.echo(f"streamtop: created an admin token in {path}; use it with --token-file", err=True)
    return tokens


def _admin_token_path() -> Path:
    return data_directory() / TOKEN_FILE


def _fail(error: Exception, code: ExitCode) -> NoReturn:
    click.echo(f"streamtop: {error}", err=True)
    raise SystemExit(code)
