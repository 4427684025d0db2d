"""The process of `streamtop serve`: its signals, its messages, and the files that it reads again."""

import asyncio
import gc
import logging
import os
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from streamusage.core.clock import SystemClock
from streamusage.core.local_service import TOKEN_FILE, data_directory, note_address
from streamusage.core.open_files import describe_readable
from streamusage.core.secrets import find_readable_secrets, is_credential
from streamusage.core.service_manager import ServiceManager
from streamusage.service.alerts.alerts_file import read_alerts
from streamusage.service.alerts.settings import AlertSettings, AlertsFileError
from streamusage.service.customers_file import CustomersError, read_customers
from streamusage.service.server import run_service
from streamusage.service.serving.listening import Tls, TlsError
from streamusage.service.serving.watchdog import keep_watchdog
from streamusage.service.tokens import Tokens, TokensError, load_or_create_admin_token, read_tokens

log = logging.getLogger(__name__)
log_jobs = logging.getLogger("streamusage.service.jobs")

MIGRATION_SECONDS = 120.0
"""How long the manager waits for the next line about a migration, several times as long as that takes."""


async def serve_until_stopped(
    tokens: Tokens,
    tokens_file: Path | None,
    customers_file: Path | None,
    alerts_file: Path | None,
    settings: dict[str, Any],
) -> None:
    """Run the service until SIGTERM or SIGINT; SIGHUP reads the files again. `settings` are those of `run_service`.

    Raises `StoreError`, `ListenError` or `TlsError` at its start.
    """
    tls: Tls | None = settings["tls"]
    alerts: AlertSettings | None = settings["alerts"]

    def secret_files() -> list[Path]:
        of_alerts = [] if alerts is None else alerts.secret_files
        if alerts is not None and alerts_file is not None and alerts.has_urls:
            of_alerts.append(alerts_file)
        return [tokens_file or admin_token_path(), *([tls.key] if tls is not None else []), *of_alerts]

    manager = ServiceManager.from_environment()

    def reload() -> None:
        manager.reloading()
        try:
            read_again()
        finally:
            manager.ready(status)

    def stop() -> None:
        manager.stopping()
        running.stop()

    def read_again() -> None:
        try:
            fresh = load_tokens(tokens_file)
            fresh_customers = None if customers_file is None else read_customers(customers_file)
            fresh_alerts = None if alerts_file is None else read_alerts(alerts_file)
            if running.tls is not None:
                settings[
                    "tls"
                ].context()  # tested first: a key that does not match would leave the certificate half replaced
                settings["tls"].load_into(running.tls)
            tokens.replace_with(fresh)
            if fresh_customers is not None:
                settings["customers"].replace_with(fresh_customers)
            if alerts is not None and fresh_alerts is not None:
                alerts.replace_with(fresh_alerts)
            for warning in find_readable_secrets(secret_files()):
                log.warning("%s", warning)
        except (TokensError, CustomersError, AlertsFileError, TlsError) as error:
            log.error("%s; the previous tokens, customers, alerts and certificate stay in use", error)
        else:
            customers = "" if customers_file is None else f", {len(settings['customers'])} customers"
            rules = "" if alerts is None else f", {len(alerts.rules)} alert rules"
            certificate = ", the certificate" if running.tls else ""
            copied = (
                "; systemd copied the tokens file at the start: restart the service after a change of the original"
                if tokens_file is not None and is_credential(tokens_file)
                else ""
            )
            log.info("reloaded %d tokens%s%s%s%s", len(tokens), customers, rules, certificate, copied)

    def report_migration(line: str) -> None:
        log_jobs.info("%s", line)
        manager.still_starting(line, MIGRATION_SECONDS)

    loop = asyncio.get_running_loop()
    manager.set_status("opening the store, and migrating it if needed")
    service = run_service(tokens=tokens, clock=SystemClock(), report_migration=report_migration, **settings)
    async with service as running:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGHUP, reload)
        status = f"listening at {running.url}, store {running.service.store.display_url}"
        with note_address(running.url, data_directory()) if tokens_file is None else nullcontext():
            click.echo(
                f"streamtop: the usage service listens at {running.url}, store {running.service.store.display_url}",
                err=True,
            )
            for warning in find_readable_secrets(secret_files()):
                log.warning("%s", warning)
            store_file = running.service.store.file
            for path in [] if store_file is None else store_file.find_readable_by_others():
                log.warning("%s", describe_readable(path, "figures of customers"))
            # Objects created so far are permanent, and requests leave no reference cycles: frequent garbage collection
            # would take a tenth of the time of a report.
            gc.freeze()
            gc.set_threshold(50_000, 20, 20)
            manager.ready(status)
            watching = asyncio.create_task(keep_watchdog(manager, running.service))
            try:
                await running.ended()
            finally:
                watching.cancel()
    manager.set_status("stopped; everything it accepted is stored")
    click.echo("streamtop: the usage service has stopped; everything it accepted is stored", err=True)


def load_tokens(tokens_file: Path | None) -> Tokens:
    """Return the tokens of the file, or else the admin token, which the first start creates. Raises `TokensError`."""
    if tokens_file is not None:
        return read_tokens(tokens_file, os.environ)
    path = admin_token_path()
    tokens, made = load_or_create_admin_token(path)
    if made:
        click.echo(f"streamtop: created an admin token in {path}; use it with --token-file", err=True)
    return tokens


def admin_token_path() -> Path:
    """Return the file of the admin token that is used without a tokens file."""
    return data_directory() / TOKEN_FILE
