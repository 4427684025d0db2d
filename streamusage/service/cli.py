"""`streamtop serve`: the usage service as a command."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from streamusage.command_help import HelpfulCommand
from streamusage.command_options import LOG_FORMAT, Duration, HostPort
from streamusage.core.addresses import Address
from streamusage.core.durations import UNIT_MS
from streamusage.core.exit_codes import ExitCode
from streamusage.core.local_service import data_directory
from streamusage.service.serving.options import (
    SETTLING,
    days_option,
    max_connections,
    parse_request_limits,
    parse_zones,
)

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from streamusage.core.log_output import LogFormat
    from streamusage.service.limits import Limits


@click.command(
    cls=HelpfulCommand,
    extras=("service",),
    exit_codes={
        ExitCode.SUCCESS: "stopped by SIGTERM or ctrl+c; with --check: the service can start",
        ExitCode.USAGE: "wrong usage, tokens file or certificate; with --check: the service cannot start",
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
    callback=parse_zones,
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
    "--alerts",
    "alerts_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A TOML file of [[rule]] and [[receiver]] entries: what is alerted, and to which webhooks (docs/alerts.md).",
)
@click.option(
    "--close-settle",
    default="2m",
    show_default=True,
    metavar="TIME",
    type=SETTLING,
    help="How far past a day's end every server must have reported before the day is closed: time for the log lines "
    "of its last seconds.",
)
@click.option(
    "--close-grace",
    default="1h",
    show_default=True,
    metavar="TIME",
    type=SETTLING,
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
@days_option(
    "--usage-stats-discard-threshold-days",
    "7",
    "How long a usage record is kept after its last change: 7 (days) or 2w (docs/values.md).",
)
@days_option(
    "--daily-statistics-days",
    "400",
    "How long daily statistics, the orphan ledger and the audit log are kept: 400 (days) or 52w.",
)
@days_option(
    "--hour-statistics-days",
    None,
    "How long hours are kept, of which days of any time zone are summed by group and stream: 200 (days). Afterwards "
    "only UTC days and closed days are. By default as long as daily statistics.",
    shortest="43d",
)
@days_option(
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
    callback=parse_request_limits,
    help="Change a limit, such as report-rows=1000000 (docs/operating.md lists all of them). May be given several "
    "times.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Only check whether the service can start with these options: files, store and its migrations, address. "
    "Changes nothing.",
)
@click.option(
    "--metrics-scopes",
    type=click.IntRange(0, 10_000),
    default=20,
    show_default=True,
    metavar="N",
    help="Scopes with series of their own in /metrics: those with the most traffic. The others are added up as other. "
    "0 leaves out metrics by scope (docs/metrics.md).",
)
@click.option(
    "--metrics-servers",
    type=click.IntRange(1, 100_000),
    default=1_000,
    show_default=True,
    metavar="N",
    help="Servers with series of their own in /metrics: those that reported first. Gauges of the others are added up.",
)
@LOG_FORMAT
@click.option("--access-log", is_flag=True, help="Write a line for every request to stderr, without tokens.")
def serve(
    listen: Address,
    store: str | None,
    tokens_file: Path | None,
    account_zones: "tuple[ZoneInfo, ...]",
    customers_file: Path | None,
    alerts_file: Path | None,
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
    check: bool,
    metrics_scopes: int,
    metrics_servers: int,
    log_format: "LogFormat",
    access_log: bool,
) -> None:
    """Run the usage service until it is stopped (SIGTERM or ctrl+c).

    With --check it starts nothing and changes nothing: it reads what the other options name, prints a line for each
    check, and exits with 0, or with 2 if the service could not start.

    SIGHUP reads the tokens file, the customers file, the alerts file and the certificate again. If one of them is
    invalid, the previous ones stay in use.
    """
    import asyncio
    import logging

    from streamusage.core.log_output import log_to_stderr
    from streamusage.evidence.key_files import read_statement_key
    from streamusage.evidence.keys import StatementKeyError
    from streamusage.service.accounting.corrections import ApprovalPolicy, ApprovalRule
    from streamusage.service.alerts.alerts_file import read_alerts
    from streamusage.service.alerts.settings import AlertsFileError
    from streamusage.service.customers_file import CustomersError, read_customers
    from streamusage.service.errors import StoreError
    from streamusage.service.http.server.connection_limits import ConnectionLimits
    from streamusage.service.metrics import MetricsLimits
    from streamusage.service.retention import Retention
    from streamusage.service.rules.cross_checks import Threshold
    from streamusage.service.rules.customers import CustomerRules
    from streamusage.service.serving.listening import ListenError, Tls, TlsError
    from streamusage.service.serving.process import admin_token_path, load_tokens, serve_until_stopped
    from streamusage.service.serving.start_check import StartOptions, print_check
    from streamusage.service.store.engines.sqlite import sqlite_url
    from streamusage.service.tokens import TokensError

    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key must be given together")
    if minute_statistics_days and hour_statistics_days and minute_statistics_days > hour_statistics_days:
        raise click.UsageError("--minute-statistics-days must not be longer than --hour-statistics-days")
    tls = None if tls_cert is None or tls_key is None else Tls(tls_cert, tls_key)
    store_url = store or sqlite_url(data_directory() / "usage.db")
    retention = Retention(
        usage_stats_discard_threshold_days // UNIT_MS["d"],
        daily_statistics_days // UNIT_MS["d"],
        minute_statistics_days and minute_statistics_days // UNIT_MS["d"],
        hour_statistics_days and hour_statistics_days // UNIT_MS["d"],
    )
    if check:
        zones = ", ".join(zone.key for zone in account_zones)
        summary = (
            f"the options are valid; days are closed in {zones}; usage records are kept for "
            f"{retention.usage_stats_discard_threshold_days} days, daily statistics for "
            f"{retention.daily_statistics_days}"
        )
        admin_token_file = admin_token_path()
        print_check(
            StartOptions(
                listen,
                store_url,
                tokens_file,
                admin_token_file,
                customers_file,
                alerts_file,
                statement_key,
                tls,
                summary,
            )
        )
        return
    log_to_stderr(log_format)
    if not access_log:
        logging.getLogger("streamusage.service.access").setLevel(logging.WARNING)
    try:
        tokens = load_tokens(tokens_file)
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
    try:
        alerts = None if alerts_file is None else read_alerts(alerts_file)
    except AlertsFileError as error:
        _fail(error, ExitCode.USAGE)
    settings: dict[str, Any] = {
        "store_url": store_url,
        "host": listen.host,
        "port": listen.port,
        "tls": tls,
        "retention": retention,
        "edge_timeout_ms": edge_timeout,
        "account_zones": account_zones,
        "customers": customers,
        "alerts": alerts,
        "close_settle_ms": close_settle,
        "close_grace_ms": close_grace,
        "approval": ApprovalPolicy(ApprovalRule(correction_approval), correction_automatic / 100),
        "cross_check": Threshold(cross_check),
        "statement_key": signing_key,
        "limits": ConnectionLimits(connections=max_connections(request_limits.connections)),
        "request_limits": request_limits,
        "metrics_limits": MetricsLimits(scopes=metrics_scopes, servers=metrics_servers),
    }
    # The loop and the writer alternate: at the default of 5 ms an answer would wait for a group of reports.
    sys.setswitchinterval(0.0005)
    try:
        asyncio.run(serve_until_stopped(tokens, tokens_file, customers_file, alerts_file, settings))
    except TlsError as error:
        _fail(error, ExitCode.USAGE)
    except StoreError as error:
        _fail(error, error.exit_code)
    except ListenError as error:
        _fail(error, ExitCode.UNAVAILABLE)


def _fail(error: Exception, code: ExitCode) -> NoReturn:
    from streamusage.core.service_manager import ServiceManager

    ServiceManager.from_environment().set_status(str(error))
    click.echo(f"streamtop: {error}", err=True)
    raise SystemExit(code)
