"""nginx's configuration language: a text in, a tree of directives out. Pure.

A directive is words that end with `;` or with a block in braces. The directives of other modules are read like any
other, since the language does not depend on them; only the code in a block of Lua is left out.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_SPACE = " \t\r\n"
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n", '"': '"', "'": "'", "\\": "\\"}
_LUA_BLOCK = "_by_lua_block"
_BRACES = re.compile(r"[{}]")


class NginxSyntaxError(ValueError):
    """The text is not a configuration of nginx. The message names file and line."""


class Directive(NamedTuple):
    """A directive with its place."""

    name: str
    arguments: tuple[str, ...]
    block: "tuple[Directive, ...] | None"
    """The directives in its braces; None for a directive without."""
    file: str
    line: int

    def find(self, *names: str) -> "Iterator[Directive]":
        """Yield the directives of these names directly in its block."""
        for directive in self.block or ():
            if directive.name in names:
                yield directive


class _Token(NamedTuple):
    text: str
    line: int
    is_quoted: bool = False

    def ends(self, *marks: str) -> bool:
        return not self.is_quoted and self.text in marks


def parse_nginx(text: str, file: str) -> tuple[Directive, ...]:
    """Return the directives of a text; `include` is a directive like the others. Raises `NginxSyntaxError`."""
    scanner = _Scanner(text, file)
    directives = _parse_block(scanner, file, None)
    return tuple(directives)


def _parse_block(scanner: "_Scanner", file: str, opened: _Token | None) -> list[Directive]:
    found: list[Directive] = []
    words: list[_Token] = []
    while (token := scanner.next_token()) is not None:
        if token.ends("}"):
            if opened is None or words:
                raise NginxSyntaxError(f"{file}:{token.line}: unexpected }}")
            return found
        if token.ends(";", "{"):
            if not words:
                raise NginxSyntaxError(f"{file}:{token.line}: unexpected {token.text}")
            name, arguments = words[0].text, tuple(word.text for word in words[1:])
            block: tuple[Directive, ...] | None = None
            if token.text == "{" and name.endswith(_LUA_BLOCK):
                scanner.skip_code()
                block = ()
            elif token.text == "{":
                block = tuple(_parse_block(scanner, file, token))
            found.append(Directive(name, arguments, block, file, words[0].line))
            words = []
        else:
            words.append(token)
    if opened is not None:
        raise NginxSyntaxError(f"{file}:{opened.line}: the block that begins here does not end")
    if words:
        raise NginxSyntaxError(f"{file}:{words[0].line}: the directive {words[0].text!r} does not end with ;")
    return found


class _Scanner:
    """The words of a text, one after another."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file
        self._at, self._line = 0, 1

    def next_token(self) -> _Token | None:
        """Return the next word, `;`, `{` or `}`; None at the end of the text."""
        self._skip_space_and_comments()
        if self._at >= len(self._text):
            return None
        character, line = self._text[self._at], self._line
        if character in ";{}":
            self._at += 1
            return _Token(character, line)
        if character in "\"'":
            self._at += 1
            word = self._read_until(character)
            if self._at >= len(self._text):
                raise NginxSyntaxError(f"{self._file}:{line}: the text that begins here does not end")
            self._at += 1
            return _Token(word, line, is_quoted=True)
        return _Token(self._read_until(_SPACE + ";{"), line)

    def skip_code(self) -> None:
        """Skip code up to the brace that ends its block."""
        depth = 1
        for brace in _BRACES.finditer(self._text, self._at):
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                self._line += self._text.count("\n", self._at, brace.end())
                self._at = brace.end()
                return
        raise NginxSyntaxError(f"{self._file}:{self._line}: the block of code that begins here does not end")

    def _skip_space_and_comments(self) -> None:
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif character in _SPACE:
                self._line += character == "\n"
                self._at += 1
            else:
                return

    def _read_until(self, ends: str) -> str:
        word: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            following = self._text[self._at + 1 : self._at + 2]
            if character == "\\" and following:
                word.append(_ESCAPED.get(following, character + following))
                self._line += following == "\n"
                self._at += 2
                continue
            if character == "$" and following == "{":
                word.append("${")
                self._at += 2
                continue
            if character in ends:
                break
            self._line += character == "\n"
            word.append(character)
            self._at += 1
        return "".join(word)
