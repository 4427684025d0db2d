"""Text from outside, made safe for messages, logs and terminals. Pure.

Publishers choose the names of streams, and other programs the texts of their answers. The results have no character
that controls a terminal, changes the direction of writing or is invisible.

    | function              | result                                 | `a<ESC>[2J<LF>b` becomes |
    |-----------------------|----------------------------------------|--------------------------|
    | `escape_unprintable`  | the whole text, nothing is lost        | `a\\x1b[2J\\nb`          |
    | `shorten_line`        | a short line, for a part of a message  | `a [2J b`                |
    | `quote_input`         | a value in quotes, for an error text   | `'a\\x1b[2J\\nb'`        |
    | `escape_json`         | JSON that reads back as the same value | –                        |
    | `remove_secrets`      | without passwords and tokens of URLs   | –                        |

The console's tables need one cell for each character: `tui.model.text.sanitize`.
"""

import re

LONGEST_QUOTED = 48
LONGEST_LINE = 300
MAX_NAME_LENGTH = 1000
"""Most characters of a scope or a stream's name."""

# Compiled with their first use: every program imports this module, and few texts have secrets to remove.
_USER_INFO = r"://[^/\s@]*@"
_QUERY_VALUE = r"([?&][^=&\s?]{1,64}=)[^&\s;'\"]+?(?=[:.,)]*(?:[&\s;'\"]|$))"
_SECRET_WORD = (
    r"(?i)\b((?:authorization|bearer|basic|password|passwd|secret|token|api[_-]?key)\b[\"']?\s*[:=]\s*"
    r"(?:(?:bearer|basic)\s+)?[\"']?|(?:bearer|basic)\s+(?=\S{16}))[^\s\"',;]+?(?=[:.)]*(?:[\s\"',;]|$))"
)
_ACTS_ON_A_TERMINAL = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def escape_unprintable(text: str) -> str:
    r"""Return the text with control, bidi and other invisible characters written as escapes such as `\x1b`."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def shorten_line(text: str) -> str:
    """Return the first 300 characters as one line: spaces for unprintable characters, single spaces between words."""
    line = "".join(character if character.isprintable() else " " for character in text[:LONGEST_LINE])
    return " ".join(line.split())


def quote_input(value: object) -> str:
    r"""Return a value in quotes for an error text: `'5 x'`. Unprintable characters are escapes such as `\x1b`.

    A long value is cut to 48 characters and ends in an ellipsis.
    """
    text = str(value)
    return repr(text) if len(text) <= LONGEST_QUOTED else repr(text[:LONGEST_QUOTED] + "…")


def limit_name(text: str) -> str:
    """Return a scope or stream name that is never empty and has at most `MAX_NAME_LENGTH` characters."""
    return text[:MAX_NAME_LENGTH] or "(no name)"


def remove_secrets(text: str) -> str:
    """Return a text without users and passwords of URLs, and without the values of queries and of header-like tokens.

    The words of an error may quote what an operator configured, or what another program sent.
    """
    text = re.sub(_USER_INFO, "://", text)
    text = re.sub(_QUERY_VALUE, r"\1…", text)
    return re.sub(_SECRET_WORD, r"\1…", text)


def escape_json(text: str) -> str:
    r"""Return encoded JSON with every character that acts on a terminal as an escape such as `\u009b`.

    An encoder escapes the characters below U+0020 only. The value is the same.
    """
    return _ACTS_ON_A_TERMINAL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
