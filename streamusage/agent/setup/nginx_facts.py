"""What nginx's configuration states about statistics, logs and HLS, and the lines that it lacks. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from streamusage.access_logs.web.errors import LogFormatError
from streamusage.access_logs.web.format import find_format
from streamusage.access_logs.web.quick_formats import STREAMTOP
from streamusage.agent.setup.nginx_files import NginxFiles
from streamusage.agent.setup.nginx_syntax import Directive
from streamusage.agent.sources.nginx_rtmp.access_log import LOG_FORMAT, parse_line

DEFAULT_STAT_URL = "http://127.0.0.1:18080/stat"
"""The page of the lines that are proposed where there is none."""
STAT_LINES = ("server {", "    listen 127.0.0.1:18080;", "    location /stat { rtmp_stat all; }", "}")
RTMP_LOG = "/var/log/nginx/rtmp_access.log"
HLS_LOG = "/var/log/nginx/hls_access.log"

_SAMPLES = {
    "msec": "1764547200.123",
    "connection": "17",
    "remote_addr": "192.0.2.1",
    "bytes_received": "4096",
    "bytes_sent": "8192",
    "session_time": "12",
    "session_readable_time": "12s",
    "time_local": "01/Dec/2026:00:00:00 +0000",
    "command": "PLAY",
    "app": "live",
    "name": "stage-1",
    "args": "",
    "flashver": "LNX 9,0,124,2",
    "pid": "1",
}
_VARIABLE = re.compile(r"\$\{?([a-z_]+)\}?")


@dataclass(frozen=True)
class HlsLocation:
    """A location that serves the files of HLS which nginx-rtmp writes."""

    path: str
    """Its URL path, such as `/hls`."""
    applications: tuple[str, ...]
    """The applications whose files it serves."""
    access_log: Path | None
    """Its log, if the agent can read its format."""
    log_format: str = ""
    """The format, where it is not detected from the lines."""


@dataclass(frozen=True)
class AddedLines:
    """Lines to add to the configuration."""

    where: str
    why: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class NginxFacts:
    """What an agent needs to know of nginx."""

    has_rtmp: bool
    stat_urls: tuple[str, ...]
    access_log: Path | None
    """The RTMP log, if its format has what the agent needs."""
    hls: tuple[HlsLocation, ...]
    additions: tuple[AddedLines, ...] = ()
    notes: tuple[str, ...] = field(default=())


def find_facts(files: NginxFiles) -> NginxFacts:
    """Return the facts of a configuration."""
    rtmp = [directive for directive in files.root.find("rtmp") if directive.block is not None]
    http = [directive for directive in files.root.find("http") if directive.block is not None]
    additions: list[AddedLines] = []
    notes = list(files.problems)
    if not rtmp:
        return NginxFacts(has_rtmp=False, stat_urls=(), access_log=None, hls=(), notes=tuple(notes))
    workers = next((found.arguments for found in files.root.find("worker_processes")), ("1",))
    if workers != ("1",):
        why = f"worker_processes is {' '.join(workers)}, and the page has one worker's connections only"
        additions.append(AddedLines("at the top, in place of worker_processes", why, ("worker_processes 1;",)))
    urls = [url for block in http for url in _stat_urls(block)]
    if not urls:
        why = "there is no page of statistics (rtmp_stat all)"
        additions.append(AddedLines("in the http block", why, STAT_LINES))
    access_log = _rtmp_log(files, rtmp, additions, notes)
    hls = _find_hls(files, rtmp, http, additions)
    return NginxFacts(True, tuple(urls), access_log, tuple(hls), tuple(additions), tuple(notes))


def _walk(block: Directive, *names: str) -> Iterator[Directive]:
    """Yield all directives of these names in a block, at any depth."""
    for directive in block.block or ():
        if directive.name in names:
            yield directive
        yield from _walk(directive, *names)


def _stat_urls(http: Directive) -> Iterator[str]:
    for server in http.find("server"):
        for location in _walk(server, "location"):
            if any("all" in stat.arguments for stat in location.find("rtmp_stat")) and (path := _path_of(location)):
                yield from (f"{base}{path}" for base in _addresses(server))


def _path_of(location: Directive) -> str | None:
    """Return the URL path of a location; None for a regular expression."""
    if not location.arguments or location.arguments[0] in {"~", "~*"} or location.arguments[-1].startswith("@"):
        return None
    return location.arguments[-1]


def _addresses(server: Directive) -> list[str]:
    """Return the URLs at which a server answers, those without TLS and on loopback first."""
    found: list[str] = []
    for address, *flags in [listen.arguments for listen in server.find("listen") if listen.arguments] or [("80",)]:
        if address.startswith("unix:"):
            continue
        host, port = ("", address) if address.isdecimal() else _split_address(address)
        host = "127.0.0.1" if host in {"", "*", "0.0.0.0"} else "[::1]" if host == "[::]" else host  # not listened at
        scheme, default = ("https", "443") if "ssl" in flags else ("http", "80")
        found.append(f"{scheme}://{host}" if port == default else f"{scheme}://{host}:{port}")
    return sorted(found, key=lambda url: (url.startswith("https"), "127." not in url))


def _split_address(address: str) -> tuple[str, str]:
    if address.endswith("]") or ":" not in address:
        return address, "80"
    host, _, port = address.rpartition(":")
    return host, port


def _formats(blocks: list[Directive]) -> dict[str, str]:
    """Return the formats of logs by name."""
    return {
        found.arguments[0]: "".join(part for part in found.arguments[1:] if not part.startswith("escape="))
        for block in blocks
        for found in block.find("log_format")
        if len(found.arguments) > 1
    }


def is_readable_rtmp_format(text: str) -> bool:
    """Return whether the lines of an RTMP log format have what the agent needs: it reads an example of them."""
    line = _VARIABLE.sub(lambda variable: _SAMPLES.get(variable[1], "-"), text)
    connection = parse_line(line.encode("utf-8", "surrogateescape"))
    return connection is not None and bool(connection.connection_id) and bool(connection.name)


def _rtmp_log(files: NginxFiles, rtmp: list[Directive], additions: list[AddedLines], notes: list[str]) -> Path | None:
    formats = _formats(rtmp)
    logs = [log for block in rtmp for log in _walk(block, "access_log") if log.arguments[:1] != ("off",)]
    readable = [
        log for log in logs if len(log.arguments) > 1 and is_readable_rtmp_format(formats.get(log.arguments[1], ""))
    ]
    if readable:
        paths = dict.fromkeys(files.path_of(log.arguments[0]) for log in readable)
        first, *others = paths
        if others:
            notes.append(f"the applications log to several files; {first} is read; write all to one of them")
        return first
    path = logs[0].arguments[0] if logs else RTMP_LOG
    why = (
        f"the format of {path} lacks what the agent needs to match lines with viewers"
        if logs
        else "there is no RTMP log, without which ends of sessions are known to a poll interval only"
    )
    lines = (f"log_format streamtop '{LOG_FORMAT}';", f"access_log {path} streamtop;")
    additions.append(AddedLines("in the rtmp block", why, lines))
    return None


def _hls_paths(rtmp: list[Directive]) -> dict[str, list[str]]:
    """Return the folders of HLS files with the applications that write them; settings are inherited by inner blocks."""
    found: dict[str, list[str]] = {}
    for block in rtmp:
        for server in block.find("server"):
            for application in server.find("application"):
                settings = {
                    setting.name: setting.arguments[0]
                    for level in (block, server, application)
                    for setting in level.find("hls", "hls_path")
                    if setting.arguments
                }
                if settings.get("hls") == "on" and "hls_path" in settings:
                    found.setdefault(settings["hls_path"], []).append(" ".join(application.arguments))
    return found


def _find_hls(
    files: NginxFiles, rtmp: list[Directive], http: list[Directive], additions: list[AddedLines]
) -> list[HlsLocation]:
    """Return the locations of HLS files, and add what they lack to `additions`."""
    unserved = {PurePosixPath(files.path_of(folder)): names for folder, names in _hls_paths(rtmp).items()}
    found: list[HlsLocation] = []
    lacking: list[tuple[str, str]] = []
    servers = ([block, server] for block in http for server in block.find("server"))
    for levels in (levels for server in servers for levels in _locations(server)):
        path, served = _path_of(levels[-1]), _served_folder(files, levels)
        folders = [] if served is None else [folder for folder in unserved if folder.is_relative_to(served)]
        applications = tuple(dict.fromkeys(name for folder in folders for name in unserved.pop(folder)))
        if path is not None and applications:
            log, form = _http_log(files, levels, _formats([levels[0]]))
            found.append(HlsLocation(path, applications, log, form))
            if log is None:
                why = f"requests of location {path}, which serves HLS, are not logged in a form that can be read"
                lacking.append((why, f"location {path} {{ access_log {HLS_LOG} streamtop; … }}"))
    for folder, names in unserved.items():
        why = f"no location of its own serves the HLS files of {', '.join(names)}, so their viewers are not counted"
        location = f"location /{folder.name} {{ root {folder.parent}; access_log {HLS_LOG} streamtop; }}"
        lacking.append((why, location))
    has_format = _formats(http).get("streamtop") == STREAMTOP
    for number, (why, location) in enumerate(lacking):
        first = () if has_format or number else (f"log_format streamtop '{STREAMTOP}';",)
        additions.append(AddedLines("in the http block, the location in its server", why, (*first, location)))
    return found


def _locations(levels: list[Directive]) -> Iterator[list[Directive]]:
    """Yield each location with the blocks around it, outermost first."""
    for location in levels[-1].find("location"):
        yield [*levels, location]
        yield from _locations([*levels, location])


def _served_folder(files: NginxFiles, levels: list[Directive]) -> PurePosixPath | None:
    """Return the folder of a location of its own; None for `/`, whose log has the requests of everything else."""
    path = (_path_of(levels[-1]) or "").strip("/")
    if not path:
        return None
    for alias in levels[-1].find("alias"):
        return PurePosixPath(files.path_of(alias.arguments[0]))
    roots = [root.arguments[0] for level in levels for root in level.find("root") if root.arguments]
    return PurePosixPath(files.path_of(roots[-1])) / path if roots else None


def _http_log(files: NginxFiles, levels: list[Directive], formats: dict[str, str]) -> tuple[Path | None, str]:
    """Return the log of the innermost level that names one, if the agent can read it, and its format if needed."""
    for level in reversed(levels):
        logs = [log for log in level.find("access_log") if log.arguments]
        for log in logs:
            name = next((part for part in log.arguments[1:2] if "=" not in part), "combined")
            form = "combined" if name == "combined" else formats.get(name, "")
            if log.arguments[0] != "off" and _is_readable_web_format(form):
                return files.path_of(log.arguments[0]), "" if form in {"combined", STREAMTOP} else form
        if logs:
            return None, ""
    return None, ""


def _is_readable_web_format(text: str) -> bool:
    try:
        find_format(text)
    except LogFormatError:
        return False
    return True
