"""An operator's own pattern for paths: a regular expression with named groups whose cost has a bound. Pure.

A path comes from strangers, so a pattern that backtracks without limit would stop the agent. Only patterns for which
the number of steps on the longest path is bounded are accepted: no repeated groups, no references, no lookaround, and
few repetitions that can end at several places.
"""

import re
from typing import NamedTuple

from streamusage.access_logs.media_paths.layouts import classify
from streamusage.access_logs.media_paths.media_path import LONGEST_PATH, ROOT_SCOPE, MediaFile, path_of
from streamusage.core.text import limit_name

LONGEST_PATTERN = 500
MOST_STEPS = 5_000_000
"""Bound of the steps that one path may take."""

GROUPS = ("name", "scope", "rendition", "sequence")

_TOKEN = re.compile(
    r"(?P<open>\((?:\?P<\w+>|\?:|(?!\?)))|(?P<close>\))|(?P<either>\|)|(?P<anchor>[\^$])"
    r"|(?P<repeat>(?:[*+?]|\{\d*,?\d*\})[?+]?)|(?P<atom>\[\^?\]?(?:\\.|[^\]\\])*\]|\\[^0-9gGAbBZ]|\.|[^\\()\[\]|*+?{}^$])"
)


class _Token(NamedTuple):
    kind: str
    text: str


class PathPattern:
    """A checked pattern. Its groups are `name`, and optionally `scope`, `rendition` and `sequence`."""

    def __init__(self, text: str) -> None:
        """Raise `ValueError` with the reason if the text is no pattern that can be used."""
        self.text = text
        self._regex = _compile(text)

    def classify(self, target: str) -> MediaFile | None:
        """Return the file of a request target; None where the path does not match as a whole."""
        match = self._regex.fullmatch(path_of(target))
        file = None if match is None else classify(target, "packager")
        if match is None or file is None or not match["name"]:
            return None
        groups = match.groupdict()
        sequence = groups.get("sequence")
        return file._replace(
            scope=limit_name((groups.get("scope") or "").strip("/") or ROOT_SCOPE),
            name=limit_name(match["name"]),
            rendition=groups["rendition"] or "" if "rendition" in groups else file.rendition,
            sequence=int(sequence[-18:]) if sequence and sequence.isdecimal() else file.sequence,
        )


def _compile(text: str) -> re.Pattern[str]:
    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"longer than {LONGEST_PATTERN} characters")
    tokens = _tokenize(text)
    try:
        regex = re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if "name" not in regex.groupindex:
        raise ValueError("without a group for the stream's name; write (?P<name>…)")
    unknown = [group for group in regex.groupindex if group not in GROUPS]
    if unknown:
        raise ValueError(f"unknown group {unknown[0]!r}; allowed: {', '.join(GROUPS)}")
    if _count_steps(tokens) > MOST_STEPS:
        raise ValueError(
            "it could take too long on some paths; use [^/]+ in place of .+ and end each repetition at a character "
            "that it cannot match"
        )
    return regex


def _tokenize(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f"not allowed at character {at + 1}: {text[at : at + 8]!r}")
        if match.lastgroup == "repeat" and tokens and tokens[-1].kind == "close" and match[0] not in ("?", "??"):
            raise ValueError("a group must not be repeated; repeat a class such as [^/]+ inside it")
        tokens.append(_Token(match.lastgroup, match[0]))
        at = match.end()
    return tokens


def _count_steps(tokens: list[_Token]) -> int:
    """Return a bound of the steps on the longest path."""
    steps = 1
    for index, token in enumerate(tokens):
        if token.kind == "either" or (token.kind == "repeat" and token.text[0] == "?"):
            steps *= 2
        elif token.kind == "repeat" and not _ends_at_one_place(tokens, index):
            steps *= LONGEST_PATH
    return steps


def _ends_at_one_place(tokens: list[_Token], index: int) -> bool:
    """Return whether a repetition is followed by a character that it cannot match, or by the pattern's end."""
    following = [token for token in tokens[index + 1 :] if token.kind not in ("open", "close", "anchor")]
    if not following:
        return True
    literal = following[0].text.removeprefix("\\")
    is_optional = len(following) > 1 and following[1].kind == "repeat" and following[1].text[0] in "?*{"
    is_literal = len(literal) == 1 and literal != "." and not (following[0].text.startswith("\\") and literal.isalnum())
    if following[0].text == "\\.":
        is_literal = True
    if following[0].kind != "atom" or is_optional or not is_literal:
        return False
    return re.fullmatch(tokens[index - 1].text, literal, re.ASCII) is None
