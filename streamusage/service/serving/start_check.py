"""`streamtop serve --check`: whether the service can start with its options. Nothing is changed on disk."""

import errno
import http.client
import json
import os
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import click

from streamusage.core.addresses import Address
from streamusage.core.exit_codes import ExitCode
from streamusage.core.secrets import TEXT, SecretError, find_readable_secrets, read_secret_file
from streamusage.evidence.key_files import read_statement_key
from streamusage.evidence.keys import StatementKeyError
from streamusage.service.alerts.alerts_file import read_alerts
from streamusage.service.alerts.settings import AlertsFileError
from streamusage.service.customers_file import CustomersError, read_customers
from streamusage.service.serving.findings import StartFinding, failed, passed, warn
from streamusage.service.serving.listening import Tls, TlsError, bind
from streamusage.service.serving.store_check import check_store
from streamusage.service.tokens import TokensError, read_tokens

EXPIRES_SOON = timedelta(days=14)
ANSWER_SECONDS = 5.0
"""How long the present user of the address has to answer."""


@dataclass(frozen=True)
class StartOptions:
    """The options of `streamtop serve` that name something outside of the process."""

    listen: Address
    store_url: str
    tokens_file: Path | None
    admin_token_file: Path
    """Used without a tokens file; the first start creates it."""
    customers_file: Path | None
    alerts_file: Path | None
    statement_key: Path | None
    tls: Tls | None
    summary: str
    """The other options, which are valid, in words."""


def print_check(options: StartOptions) -> None:
    """Print a line for each check, and exit with 2 if one of them failed."""
    click.echo(f"checking the start of the usage service at {options.listen}")
    failures = 0
    for finding in check_start(options):
        failures += finding.is_failure
        click.echo(str(finding))
    if failures:
        click.echo(f"streamtop: the service cannot start: {failures} failed; nothing was changed", err=True)
        raise SystemExit(ExitCode.USAGE)
    click.echo("the service can start; nothing was changed")


def check_start(options: StartOptions) -> Iterator[StartFinding]:
    """Yield what is found, one check after another. Nothing is changed."""
    yield passed("configuration", options.summary)
    yield from _check_tokens(options)
    yield from check_store(options.store_url)
    yield _check_address(options.listen, is_tls=options.tls is not None)
    if options.tls is not None:
        yield from _check_tls(options.tls)
    if options.customers_file is not None:
        yield _check_customers(options.customers_file)
    if options.alerts_file is not None:
        yield _check_alerts(options.alerts_file)
    if options.statement_key is not None:
        yield _check_key(options.statement_key)


def _check_tokens(options: StartOptions) -> Iterator[StartFinding]:
    path = options.tokens_file or options.admin_token_file
    try:
        if options.tokens_file is not None:
            tokens = read_tokens(options.tokens_file, os.environ)
            roles = ", ".join(f"{count} {role}" for role, count in sorted(tokens.count_roles().items()))
            yield passed("tokens", f"{path} has {roles}")
            if "agent" not in tokens.count_roles():
                yield warn("tokens", "no token is for an agent: streamtop token new --server NAME")
        elif path.exists():
            read_secret_file(path, f"the token file {path}", TEXT)
            yield passed("tokens", f"the admin token is in {path}")
        else:
            yield passed("tokens", f"the start creates an admin token in {path}")
    except (TokensError, SecretError) as error:
        yield failed("tokens", str(error))
    for warning in find_readable_secrets([path]):
        yield warn("tokens", warning)


def _check_address(address: Address, *, is_tls: bool) -> StartFinding:
    try:
        bind(address.host, address.port).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _is_usage_service(address, is_tls=is_tls):
            return passed("address", f"{address} is in use by a usage service that runs now; it must stop first")
        return failed("address", f"cannot listen on {address}: {error.strerror or error}")
    except (OverflowError, UnicodeError) as error:
        return failed("address", f"cannot listen on {address}: {error}")
    return passed("address", "the start takes a free port" if address.port == 0 else f"{address} is free")


def _is_usage_service(address: Address, *, is_tls: bool) -> bool:
    """Return whether a usage service answers at the address."""
    host = address.host
    try:
        if ip_address(host).is_unspecified:
            host = "::1" if ":" in host else "127.0.0.1"
    except ValueError:
        pass  # a name
    connection: http.client.HTTPConnection
    if is_tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing secret is sent
        connection = http.client.HTTPSConnection(host, address.port, timeout=ANSWER_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, address.port, timeout=ANSWER_SECONDS)
    with closing(connection):
        try:
            connection.request("GET", "/healthz")
            answer = json.loads(connection.getresponse().read(1_000))
        except (OSError, http.client.HTTPException, ValueError):
            return False
    return isinstance(answer, dict) and answer.keys() >= {"status", "now"}


def _check_tls(tls: Tls) -> Iterator[StartFinding]:
    try:
        tls.context()
        ends_at = _end_of_validity(tls.certificate)
    except TlsError as error:
        yield failed("TLS", str(error))
        return
    until = f"{tls.certificate} is valid until {ends_at:%Y-%m-%d %H:%M} UTC"
    remaining = ends_at - datetime.now(UTC)
    if remaining < timedelta(0):
        yield failed("TLS", f"{until}, which has passed: agents and consoles refuse it; renew it")
    elif remaining < EXPIRES_SOON:
        yield warn("TLS", f"{until}, in {remaining.days} days; renew it and send SIGHUP")
    else:
        yield passed("TLS", f"{until}, and {tls.key} is its key")
    for warning in find_readable_secrets([tls.key]):
        yield warn("TLS", warning)


def _end_of_validity(certificate: Path) -> datetime:
    """Return the end of the first certificate of a PEM file, which is the server's. Raises `TlsError`."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise TlsError(f"cannot read the certificate {certificate}: {error}") from None


def _check_customers(path: Path) -> StartFinding:
    try:
        return passed("customers", f"{path} has {len(read_customers(path))} customers")
    except CustomersError as error:
        return failed("customers", str(error))


def _check_alerts(path: Path) -> StartFinding:
    try:
        settings = read_alerts(path)
    except AlertsFileError as error:
        return failed("alerts", str(error))
    return passed("alerts", f"{path} has {len(settings.rules)} rules and {len(settings.receivers)} receivers")


def _check_key(path: Path) -> StartFinding:
    try:
        return passed("statement key", f"{path} is {read_statement_key(path).public.name}")
    except StatementKeyError as error:
        return failed("statement key", str(error))
