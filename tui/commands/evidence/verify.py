"""`streamtop daily verify`: what holds of a statement, and what does not."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from streamusage.api.daily import Adjustments, Daily
from streamusage.api.evidence import Chain, ChainRow
from streamusage.client.usage_client import UsageClient
from streamusage.command_help import HelpfulCommand
from streamusage.core.clock import SystemClock
from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode
from streamusage.evidence.keys import PublicKey
from streamusage.evidence.statement import NotStatementError, Statement, parse
from streamusage.evidence.verification import Finding, check_fork, check_service, is_proven
from streamusage.evidence.verification import verify as verify_statement
from tui.commands.errors import CommandError
from tui.commands.evidence.keys import read_trusted_key
from tui.commands.flags import connection_flags
from tui.commands.shell import connect, counted, print_message, run_requests
from tui.config.settings import ConnectionSettings, Flags
from tui.model.daily.unsigned_statement import KIND, NotSignedOffError, find_other_days, verified, voided_since
from tui.model.text import sanitize

LARGEST_STATEMENT_BYTES = 512 * 1024 * 1024


class _Signed(NamedTuple):
    """A statement as it was read from a file."""

    path: Path
    content: bytes
    statement: Statement
    signature: bytes | None


@click.command(
    cls=HelpfulCommand,
    short_help="Check what holds of a statement.",
    exit_codes={
        **CLIENT_EXIT_CODES,
        ExitCode.SUCCESS: "all that was asked holds, and the signature is one of the trusted key",
        ExitCode.REFUSED: "something does not hold, or the key is not known to be the right one",
    },
)
@click.argument("files", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE...", nargs=-1, required=True)
@click.option("--key", "trusted", metavar="KEY", help="The public key to trust: its file, or ed25519: and its digits.")
@click.option(
    "--signature",
    "signature_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The signature. [default: the statement's name and .sig]",
)
@click.option("--against", metavar="URL", help="Also compare it with the service at this address.")
@click.option("--online", is_flag=True, help="Also compare it with the service of --url or of the profile.")
@connection_flags
def verify(
    files: Sequence[Path],
    trusted: str | None,
    signature_file: Path | None,
    against: str | None,
    online: bool,
    **given: Any,
) -> None:
    """Check statements, and print in a line each what holds and what does not.

    Signature: whether the key signed these bytes, and is the one of --key, or connected with it by rotations. Chain:
    whether the closings have the hashes of the figures. Sums: whether totals and coverage follow from the days. With
    --against or --online, whether the service has the same closings and none of them is void by now. Of several
    statements it is also checked that their chains do not contradict each other.

    Without --key a statement can only be consistent with itself: the writer of the file may have signed it with
    another key. A statement of version 1 has a digest and no signature; only a service can confirm it.

    \b
    Examples:
      streamtop daily verify november.json --key statement.pub
      streamtop daily verify november.json --key statement.pub --against https://usage.example.net
    """
    if signature_file is not None and len(files) > 1:
        raise click.UsageError("--signature is for one statement")
    key = read_trusted_key(trusted)
    connection = None
    if against is not None or online:
        flags = Flags(**given)
        connection = connect(flags if against is None else Flags(**{**given, "url": against}))
    proven = True
    signed: list[_Signed] = []
    for path in files:
        content = _read(path)
        if _is_unsigned(content):
            findings = _check_unsigned(path, content, connection)
            _print(path, findings, files)
            proven &= findings[-1].subject == "service" and findings[-1].verdict == "holds"
            continue
        file = _parse(path, content, signature_file)
        signed.append(file)
        findings = _findings(file, key, connection)
        _print(path, findings, files)
        proven &= is_proven(file.statement, {finding.subject: finding for finding in findings})
    for finding in check_fork([(file.path.name, file.statement) for file in signed]):
        _print(None, [finding], files)
        proven = False
    if not proven:
        raise CommandError(
            "not proven: see the lines that do not begin with holds; keep the file as it is, and ask who issued it",
            ExitCode.REFUSED,
        )
    print_message(f"proven: {counted(len(files), 'statement')}")


def _findings(file: _Signed, key: PublicKey | None, connection: ConnectionSettings | None) -> list[Finding]:
    findings = list(
        verify_statement(file.content, file.statement, file.signature, key, SystemClock().now_ms()).values()
    )
    if connection is not None:
        findings.append(_compare(file.statement, connection))
    return findings


def _compare(statement: Statement, connection: ConnectionSettings) -> Finding:
    """Ask the service for the entries of the chain that the statement has, and for void entries of its days."""
    numbers = [entry.number for entry in statement.entries()]
    period = statement.period
    days = [period.first_day, period.last_day, *(row.day for row in statement.corrections)]
    first, last = date.fromisoformat(min(days)), date.fromisoformat(max(days))

    async def read(client: UsageClient) -> tuple[Chain, list[ChainRow], Adjustments]:
        rows: list[ChainRow] = []
        at = min(numbers, default=0)
        while True:
            part = await client.evidence.chain(at, max(numbers, default=0))
            rows += part.entries
            if not part.more or not part.entries:
                break
            at = part.entries[-1].number + 1
        return part, rows, await client.adjustments(first, last, statement.account_zone)

    part, rows, found = run_requests(connection, read)
    return check_service(statement, connection.host, part.service, rows, found.voids or ())


def _print(path: Path | None, findings: Sequence[Finding], files: Sequence[Path]) -> None:
    """Print the findings about a file, or about all of them, below its name if there are several."""
    if len(files) > 1:
        click.echo(sanitize("together" if path is None else str(path)))
    for finding in findings:
        click.echo(sanitize(f"{finding.verdict:<11}  {finding.subject:<9}  {finding.text}"))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_STATEMENT_BYTES + 1)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}", ExitCode.FAILURE) from None
    if len(content) > LARGEST_STATEMENT_BYTES:
        raise CommandError(f"{path} is larger than any statement ({LARGEST_STATEMENT_BYTES:,} bytes)", ExitCode.REFUSED)
    return content


def _parse(path: Path, content: bytes, signature_file: Path | None) -> _Signed:
    try:
        statement = parse(content)
    except NotStatementError as error:
        raise CommandError(f"{path}: {error}", ExitCode.REFUSED) from None
    beside = signature_file or path.with_name(f"{path.name}.sig")
    if signature_file is None and not beside.exists():
        return _Signed(path, content, statement, None)
    return _Signed(path, content, statement, _read(beside))


def _is_unsigned(content: bytes) -> bool:
    """Return whether this claims to be a statement of version 1."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("kind") == KIND


def _check_unsigned(path: Path, content: bytes, connection: ConnectionSettings | None) -> list[Finding]:
    """Return what holds of a statement of version 1; the last finding is that of the service, if it was asked."""
    try:
        document = verified(content)
    except NotSignedOffError as error:
        raise CommandError(f"{path}: {error}", ExitCode.REFUSED) from None
    findings = [
        Finding("signature", "not checked", "version 1 has none: who wrote the file may have changed it"),
        Finding("sums", "holds", f"the digest and the totals fit {counted(len(document['days']), 'day')}"),
    ]
    return findings if connection is None else [*findings, _compare_unsigned(document, connection)]


def _compare_unsigned(document: dict[str, Any], connection: ConnectionSettings) -> Finding:
    about = document["rests_on"]
    first, last = (date.fromisoformat(about["window"][end]) for end in ("from", "to"))

    async def read(client: UsageClient) -> tuple[Daily, Adjustments]:
        tz, server = about["tz"], about["only_server"]
        return (
            await client.daily(first, last, tz, server=server),
            await client.adjustments(first, last, tz, server=server),
        )

    daily, found = run_requests(connection, read)
    place = connection.host
    if void := voided_since(document, found.voids or ()):
        named = "; ".join(f"{row.day} of {row.server}, revision {row.revision}: {row.reason}" for row in void[:5])
        return Finding("service", "fails", f"void by now at {place}: {named}; export the days again")
    if other := find_other_days(document, daily.days):
        return Finding("service", "fails", f"{place} has other figures of {'; '.join(other[:5])}")
    return Finding("service", "holds", f"{place} has the same {counted(len(document['days']), 'day')}")
