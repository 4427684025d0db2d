"""Commands for a shell that fetch a session's records again. Pure.

They can be pasted: every word is quoted, no character of a name can act on the terminal, and the token is not in them,
but the profile or the file that holds it.
"""

import shlex
from collections.abc import Sequence

from streamusage.core.usage import EmptyNameError, StreamId, stream_path
from tui.config.settings import ConnectionSettings
from tui.model.sessions.store import Session
from tui.model.text import sanitize, width

_ROUTE = ("ca_file", "client_cert", "client_key", "proxy")


def ls_command(settings: ConnectionSettings, session: Session) -> str:
    """Return the command `streamtop ls` that prints the session's stream as JSON."""
    words = ["streamtop", "ls", *_connection_words(settings), "--format", "json", *_filter_words(session.stream)]
    return shlex.join(words)


def curl_command(settings: ConnectionSettings, base_url: str, session: Session) -> str:
    """Return the `curl` command that requests the stream's records, or a shell comment where none can."""
    try:
        path = stream_path(session.stream)
    except EmptyNameError as error:
        return f"# {error}"
    url = f"{base_url}/streammanager/api/{settings.api_version}/admin/event/usage/{path}"
    command = f"curl -sS -G {shlex.quote(url)}"
    for flag, value in (
        ("--cacert", settings.ca_file),
        ("--cert", settings.client_cert),
        ("--key", settings.client_key),
    ):
        command += f" {flag} {shlex.quote(str(value))}" if value is not None else ""
    command += f" --proxy {shlex.quote(settings.proxy)}" if settings.proxy is not None else ""
    if settings.token is None:
        return command
    if settings.token_file is None:
        return f'{command} --data-urlencode "accessToken=${_variable(settings)}"'
    return f'{command} --data-urlencode "accessToken=$(cat {shlex.quote(str(settings.token_file))})"'


def describe_token(settings: ConnectionSettings) -> str:
    """Return from where the commands get the token; empty without one, or where they name its file themselves."""
    if settings.token is None or settings.token_file is not None:
        return ""
    return f"They read the token from the environment variable {_variable(settings)}."


def _variable(settings: ConnectionSettings) -> str:
    return settings.token_env or "STREAMTOP_TOKEN"


def wrap_command(command: str, cells: int) -> list[str]:
    """Return a command in lines of at most so many cells that a shell reads as one, as far as its words allow it."""
    lines = [""]
    for word in _words_of(command):
        if lines[-1] and width(lines[-1]) + 1 + width(word) + 2 > cells:
            lines[-1] += " \\"
            lines.append("")
        first, *more = _split_word(word, cells)
        lines[-1] += f" {first}" if lines[-1] else first
        lines += more
    return lines


def _split_word(word: str, cells: int) -> list[str]:
    """Return a word in lines that a shell reads as one word. The output of a command within it is not split."""
    if width(word) + 2 <= cells or "$" in word.partition("'")[0]:
        return [word]
    pieces, piece, quote = list[str](), "", ""
    for character in word:
        if width(piece + character) + 2 > cells:
            pieces.append(f"{piece}{quote}\\")
            piece = quote
        piece += character
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
    return [*pieces, piece]


def _words_of(command: str) -> list[str]:
    """Return the words of a command with their quotes."""
    words, word, quote = list[str](), "", ""
    for character in command:
        if character == " " and not quote:
            words.append(word)
            word = ""
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        word += character
    return [*words, word]


def _connection_words(settings: ConnectionSettings) -> list[str]:
    of_profile = f"profile {settings.profile}"
    is_of_profile = settings.profile is not None and settings.url_from == of_profile
    words = ["--profile", str(settings.profile)] if is_of_profile else ["--url", settings.url]
    if settings.token_file is not None and not (is_of_profile and settings.token_from == of_profile):
        words += ["--token-file", str(settings.token_file)]
    for name in _ROUTE:
        value = getattr(settings, name)
        if value is not None and settings.route_from.get(name) != of_profile:
            words += [f"--{name.replace('_', '-')}", str(value)]
    if settings.api_version != "4.0":
        words += ["--api-version", settings.api_version]
    return words


def _filter_words(stream: StreamId) -> Sequence[str]:
    return [f"scope={_glob(stream.scope)}", f"name={_glob(stream.name)}"]


def _glob(text: str) -> str:
    """Return a quoted glob that matches the text. What cannot be quoted, or would act on a terminal, is a `?`."""
    glob = '"'
    for character, shown in zip(text, sanitize(f'"{text}')[1:], strict=True):
        if character == '"' or character != shown:
            glob += "?"
        else:
            glob += f"[{character}]" if character in "*?[" else character
    return f'{glob}"'
