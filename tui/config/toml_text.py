"""Values and keys as TOML, for texts that are written back. `tomllib` reads them as the same values. Pure."""

import re
from collections.abc import Sequence

TomlValue = str | bool | int | float | Sequence["TomlValue"]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def toml_value(value: TomlValue) -> str:
    """Return a value on one line. Characters that a terminal does not show are escapes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, int | float):
        return repr(value)
    return f"[{', '.join(map(toml_value, value))}]"


def toml_key(*parts: str) -> str:
    """Return a key, or the name of a table, whose parts are joined by dots: `profiles."my service"`."""
    return ".".join(part if _BARE_KEY.fullmatch(part) else toml_value(part) for part in parts)


def toml_comment(text: str) -> str:
    """Return the text as a comment has it: one line, without control characters."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _escaped(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
