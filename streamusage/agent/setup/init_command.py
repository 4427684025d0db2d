"""`streamtop agent init`: finds the media server of this machine, tries it, and writes the agent's configuration."""

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import ExitCode
from streamusage.core.text import escape_unprintable, quote_input

if TYPE_CHECKING:
    from streamusage.agent.setup.discovery import Discovered
    from streamusage.agent.setup.nginx_facts import AddedLines
    from streamusage.agent.setup.plan import Plan, PlannedSource, Value
    from streamusage.agent.setup.processes import RunningServer
    from streamusage.agent.setup.trial import Tried


@click.command(
    cls=HelpfulCommand,
    short_help="Find the media server and write a configuration.",
    exit_codes={
        ExitCode.SUCCESS: "the configuration is written, and the media server was read with it",
        ExitCode.FAILURE: "written, but the media server cannot be read yet; or you declined and nothing was written",
        ExitCode.USAGE: "nothing was written: wrong usage, no media server, or the file exists",
    },
)
@click.option(
    "--config",
    "output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("agent.toml"),
    show_default=True,
    help="The file to write. Only its owner can read it.",
)
@click.option("--replace", is_flag=True, help="Replace the file if it exists.")
@click.option("--yes", is_flag=True, help="Ask nothing: take what was found, and the defaults.")
@click.option("--server", metavar="NAME", help="The media server's name at the service. Default: the machine's name.")
@click.option("--service", "service_url", metavar="URL", help="The usage service. Default: http://127.0.0.1:5080.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file with the agent's token, read at each use. Default: NAME.token beside the configuration.",
)
@click.option("--role", type=click.Choice(["origin", "edge", "standalone"]), help="Default: standalone, for hls edge.")
@click.option("--kind", metavar="KIND", help="The kind of media server, where several run or none is found.")
@click.option(
    "--media-config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The media server's own configuration, nginx.conf or icecast.xml. Default: that of the running process.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of the [source] table, such as stat_url=http://127.0.0.1:8080/stat. Commas divide lists. May be given "
    "several times.",
)
@click.option("--hls/--no-hls", default=None, help="Whether to count HLS viewers of nginx, too. Default: if found.")
@click.option(
    "--journal-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the agent's journals. Default: in the user's data directory.",
)
def init(
    output: Path,
    replace: bool,
    yes: bool,
    server: str | None,
    service_url: str | None,
    token_file: Path | None,
    role: str | None,
    kind: str | None,
    media_config: Path | None,
    assignments: tuple[str, ...],
    hls: bool | None,
    journal_dir: Path | None,
) -> None:
    """Write a configuration for the media server of this machine.

    Looks for a running media server, reads its configuration (nginx with its includes, Icecast) for statistics, log
    and HLS, and asks for what it cannot find. Then it reads the media server once, states what it found, and writes
    the file. Where nginx lacks the page of statistics or the format of the log, it prints the lines to add.

    \b
    Examples:
      streamtop agent init
      streamtop agent init --yes --server edge-1 --service https://usage.example.net
      streamtop agent init --kind srs --set url=http://127.0.0.1:1985
    """
    from streamusage.agent.config.files import ConfigError
    from streamusage.agent.setup.discovery import DiscoveryError
    from streamusage.agent.setup.plan import Plan, PlannedSource
    from streamusage.agent.setup.trial import try_plan

    asks = not yes and sys.stdin.isatty()
    output = output.absolute()
    _check_output(output, replace=replace, asks=asks)
    try:
        found = _discover(kind, media_config, _parse_assignments(assignments), asks=asks)
    except DiscoveryError as error:
        _fail(str(error), ExitCode.USAGE)
    server = server or _prompt("Name of this server at the service", socket.gethostname().partition(".")[0], asks=asks)
    service_url = service_url or _prompt("URL of the usage service", "http://127.0.0.1:5080", asks=asks)
    default_token = output.parent / f"{server.replace(':', '_')}.token"
    token_file = (token_file or Path(_prompt("File with the agent's token", str(default_token), asks=asks))).absolute()
    sources = [PlannedSource(server, found.values, token_file, dict(found.secrets))]
    if hls and found.hls is None:
        _fail("no location for HLS with a log was found in nginx's configuration; leave out --hls", ExitCode.USAGE)
    if found.hls is not None and (hls or (hls is None and _confirm("Count HLS viewers, too?", asks=asks))):
        hls_token = token_file.with_name(f"{token_file.stem}-hls{token_file.suffix}")
        sources.append(PlannedSource(f"{server}-hls", found.hls, hls_token))
    journal_folder = None if journal_dir is None else journal_dir.absolute()
    plan = Plan(service_url, sources, role, journal_folder, found.found, found.additions)
    for line in plan.found:
        _print(f"  {line}")
    try:
        tried = try_plan(plan, output.name)
    except ConfigError as error:
        _fail(f"{error}\nnothing was written", ExitCode.USAGE)
    _finish(plan, output, tried, asks=asks)


def _check_output(output: Path, *, replace: bool, asks: bool) -> None:
    if not output.parent.is_dir():
        _fail(f"the folder {output.parent} does not exist; create it first", ExitCode.USAGE)
    if not output.exists() or replace:
        return
    if not asks:
        _fail(f"{output} exists and was kept; --replace replaces it, --config names another file", ExitCode.USAGE)
    if not click.confirm(f"{output} exists. Replace it?", default=False):
        _fail(f"{output} was kept", ExitCode.FAILURE)


def _parse_assignments(texts: tuple[str, ...]) -> "dict[str, Value]":
    """Return the keys and values of `KEY=VALUE`."""
    values: dict[str, Value] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key.isidentifier() or not value.isprintable():
            raise click.UsageError(f"--set {quote_input(text)} is not KEY=VALUE")
        values[key] = value
    return values


def _discover(kind: str | None, media_config: Path | None, given: "dict[str, Value]", *, asks: bool) -> "Discovered":
    """Return how the media server is read. Raises `DiscoveryError`."""
    from streamusage.agent.setup.discovery import Discovered, discover_icecast, discover_nginx
    from streamusage.agent.setup.processes import find_nginx_prefix

    configuration, prefix = media_config, None
    if media_config is None:
        running = _choose(kind, asks=asks)
        kind = running.kind if running is not None else kind
        configuration, prefix = (running.configuration, running.prefix) if running is not None else (None, None)
    elif kind is None:
        kind = "icecast" if media_config.suffix == ".xml" else "nginx-rtmp"
    if configuration is not None:
        configuration = configuration.absolute()
    if kind == "nginx-rtmp" and configuration is not None:
        found = discover_nginx(configuration, prefix or find_nginx_prefix(configuration))
    elif kind == "icecast" and configuration is not None:
        found = discover_icecast(configuration)
    else:
        found = Discovered({"kind": kind or ""}, ())
    secrets = tuple((key, secret) for key, secret in found.secrets if not given.keys() & {key, "password_env"})
    values = _complete({**found.values, **given}, {key for key, _ in secrets}, asks=asks)
    return Discovered(values, found.found, secrets, found.hls, found.additions)


def _choose(kind: str | None, *, asks: bool) -> "RunningServer | None":
    """Return the running media server to watch; None if it is described by options or questions."""
    from streamusage.agent.setup.processes import RunningServer, find_running
    from streamusage.agent.sources import list_kinds

    running = [server for server in find_running() if kind in {None, server.kind}]
    for server in running:
        _print(f"found {server.kind}: process {server.pid}, {server.title}")
    if len(running) == 1:
        return running[0]
    if running and not asks:
        _fail(
            f"{len(running)} media servers run here: choose one with --kind, or its configuration with --media-config",
            ExitCode.USAGE,
        )
    if running:
        pids = [str(server.pid) for server in running]
        chosen = click.prompt("Process", type=click.Choice(pids), default=pids[0])
        return next(server for server in running if str(server.pid) == chosen)
    if kind is not None:
        return None
    if not asks:
        _fail(
            "no media server was found among the processes; name its kind with --kind (one of "
            f"{', '.join(list_kinds())}), or its configuration with --media-config",
            ExitCode.USAGE,
        )
    _print("no media server was found among the processes")
    chosen = click.prompt("Kind of media server", type=click.Choice(list_kinds()))
    return RunningServer(chosen, 0, "")


def _complete(values: "dict[str, Value]", secrets: set[str], *, asks: bool) -> "dict[str, Value]":
    """Return the values of a source with what its kind requires beside them."""
    from streamusage.agent.config.sources import PasswordSection, TokenSection
    from streamusage.agent.sources import SourceKindError, find_config_model, list_kinds

    kind = str(values["kind"])
    try:
        model = find_config_model(kind)
    except SourceKindError as error:
        _fail(str(error), ExitCode.USAGE)
    if model is None:
        _fail(f"unknown kind {quote_input(kind)}; known: {', '.join(list_kinds())}", ExitCode.USAGE)
    required = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    for section, file, variable in (
        (PasswordSection, "password_file", "password_env"),
        (TokenSection, "api_token_file", "api_token_env"),
    ):
        if issubclass(model, section) and not ({file, variable} & (values.keys() | secrets)):
            required.append(file)
    missing = [key for key in required if key not in values]
    if missing and not asks:
        options = " ".join(f"--set {key}=…" for key in missing)
        _fail(f"the kind {kind} needs more: {options} (docs/sources/{kind}.md)", ExitCode.USAGE)
    answers: dict[str, Value] = {key: _prompt(f"{kind}: {key}", None, asks=asks) for key in missing}
    complete = values | answers
    for key, value in complete.items():
        if not str(value).isprintable():
            _fail(f"the value of {key} has characters that cannot be printed: {quote_input(value)}", ExitCode.USAGE)
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in complete and "tuple" in str(field.annotation):
            complete[key] = tuple(part.strip() for part in str(complete[key]).split(","))
    return complete


def _finish(plan: "Plan", output: Path, tried: "list[Tried]", *, asks: bool) -> None:
    """State what was found, write the files and print what to do next. Exits with 1 if a media server is not read."""
    from streamusage.agent.setup.plan import format_config
    from streamusage.agent.setup.trial import write_secrets
    from streamusage.core.atomic_file import write_atomically

    for result in tried:
        verdict = "ok     " if result.is_readable else "FAILED "
        _print(f"  {verdict} {result.server}: {result.text}")
    works = all(result.is_readable for result in tried)
    if not works and not _confirm("Write the configuration nevertheless?", asks=asks):
        _fail("nothing was written", ExitCode.FAILURE)
    try:
        secrets = write_secrets(plan.sources, output.parent)
        write_atomically(output, format_config(plan, output.parent).encode())
    except OSError as error:
        _fail(f"cannot write {output}: {error.strerror}; it is what it was", ExitCode.FAILURE)
    for path in [output, *secrets]:
        _print(f"wrote {path}, which only its owner can read")
    if plan.additions:
        _print_additions(plan.additions)
    _print_next_steps(plan, output)
    raise SystemExit(ExitCode.SUCCESS if works else ExitCode.FAILURE)


def _print_additions(additions: "tuple[AddedLines, ...] | Any") -> None:
    _print("\nAdd to nginx's configuration, then run nginx -t && nginx -s reload:")
    for addition in additions:
        _print(f"\n  {addition.where} ({addition.why}):")
        for line in addition.lines:
            _print(f"    {line}")


def _print_next_steps(plan: "Plan", output: Path) -> None:
    missing: list[PlannedSource] = [source for source in plan.sources if not source.token_file.exists()]
    _print("\nNext:")
    if plan.additions:
        _print("  streamtop agent init --replace, when nginx has the lines above: it finds the page and the logs then")
    for source in missing:
        token_file = source.token_file
        if unit := _unit_of_credential(token_file):
            credential = f"LoadCredential={token_file.name}: of {unit}"
            _print(
                f"  put the token of {source.server} into the file that {credential} names,\n"
                "      as streamtop docs agent shows"
            )
        else:
            _print(
                f"  streamtop token new --server {source.server} --tokens tokens.toml --token-file {token_file}\n"
                "      makes the token, where the service runs; then the service reads tokens.toml at SIGHUP"
            )
    units = sorted({unit for source in plan.sources if (unit := _unit_of_credential(source.token_file))})
    start = f"systemctl restart {' '.join(units)}" if units else f"streamtop agent --config {output}"
    _print(f"  streamtop agent check --config {output}\n  {start}")


def _unit_of_credential(path: Path) -> str:
    """Return the unit of systemd for which a file is a credential; empty where it is none."""
    return path.parent.name if path.parent.parent == Path("/run/credentials") else ""


def _prompt(question: str, default: str | None, *, asks: bool) -> str:
    """Return the answer, or the default without a question."""
    if not asks:
        return default or ""
    while not (answer := str(click.prompt(question, default=default))).isprintable():
        _print("the answer has characters that cannot be printed")
    return answer


def _confirm(question: str, *, asks: bool) -> bool:
    return not asks or click.confirm(question, default=True)


def _print(text: str) -> None:
    click.echo("\n".join(map(escape_unprintable, text.split("\n"))))


def _fail(text: str, code: ExitCode) -> NoReturn:
    click.echo(f"streamtop agent: {text}", err=True)
    sys.stdout.flush()
    raise SystemExit(code)
