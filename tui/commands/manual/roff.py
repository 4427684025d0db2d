"""Man pages of click commands as roff, from what `--help` knows: texts, options, commands and exit codes. Pure.

click-man knows neither exit codes nor blocks of examples, nor commands that are imported when they are called.
"""

from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from textwrap import wrap
from typing import NamedTuple

import click

from streamusage.command_help import HELP_OPTIONS

EXAMPLES = "Examples:"


class ManPage(NamedTuple):
    """A man page of section 1: its name without the section, and its text."""

    name: str
    text: str


class Subcommand(NamedTuple):
    """A command below another one: its name and purpose."""

    name: str
    purpose: str


def man_page(
    path: Sequence[str],
    command: click.Command,
    *,
    subcommands: Sequence[Subcommand] = (),
    exit_codes: Mapping[int, str],
    sections: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    see_also: Sequence[str] = (),
) -> ManPage:
    """Return the page of a command. `path` has its words; `sections` are lists of names and texts at its end."""
    name, words = "-".join(path), " ".join(path)
    context = click.Context(command, info_name=words, help_option_names=list(HELP_OPTIONS))
    purpose = _purpose(command)
    lines = [f'.TH {name.upper()} 1 "" streamtop "streamtop manual"', ".SH NAME", f"{_text(name)} \\- {_text(purpose)}"]
    usage = " ".join(command.collect_usage_pieces(context))
    lines += [".SH SYNOPSIS", f"{_bold(words)} {_text(usage)}"]
    description, examples = _paragraphs(command.help or "")
    lines += [".SH DESCRIPTION", *description]
    if subcommands:
        lines += [".SH COMMANDS"]
        for subcommand in subcommands:
            lines += _entry(_bold(f"{name}-{subcommand.name}") + "(1)", subcommand.purpose)
    lines += [".SH OPTIONS"]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            lines += _entry(_bold(record[0]), record[1])
    if examples:
        lines += [".SH EXAMPLES", *_literal(examples)]
    if exit_codes:
        lines += [".SH EXIT STATUS"]
        for code, meaning in exit_codes.items():
            lines += _entry(_bold(f"{code:d}"), meaning)
    for heading, entries in (sections or {}).items():
        lines += [f".SH {heading}"]
        for entry, meaning in entries:
            lines += _entry(_bold(entry), meaning)
    if see_also:
        lines += [".SH SEE ALSO", ", ".join(f"{_bold(other)}(1)" for other in see_also)]
    return ManPage(name, "\n".join(lines) + "\n")


def _purpose(command: click.Command) -> str:
    """Return the first sentence of the help, without its full stop."""
    first = " ".join(cleandoc(command.help or "").split("\n\n")[0].split())
    return first.split(". ")[0].rstrip(".")


def _paragraphs(text: str) -> tuple[list[str], list[str]]:
    """Return the lines of the description, and the lines of the examples."""
    lines: list[str] = []
    examples: list[str] = []
    for paragraph in cleandoc(text.partition("\f")[0]).split("\n\n"):
        parts = paragraph.strip("\n").split("\n")
        if not paragraph.strip():
            continue
        if parts[0].strip() != "\b":
            lines += [".PP", *_filled(paragraph)]
        elif parts[1].strip() == EXAMPLES:
            examples += [line.removeprefix("  ") for line in parts[2:]]
        else:
            lines += [".PP", *_literal(parts[1:])]
    return lines[1:] if lines[:1] == [".PP"] else lines, examples


def _literal(lines: Sequence[str]) -> list[str]:
    return [".nf", *(_text(line, is_code=True) for line in lines), ".fi"]


def _entry(heading: str, text: str) -> Iterator[str]:
    yield ".TP"
    yield heading
    yield from _filled(text)


def _filled(text: str) -> list[str]:
    """Return a paragraph in lines of at most 80 characters."""
    return [_text(line) for line in wrap(" ".join(text.split()), 76, break_long_words=False, break_on_hyphens=False)]


def _bold(text: str) -> str:
    return f"\\fB{_text(text, is_code=True)}\\fR"


def _text(text: str, *, is_code: bool = False) -> str:
    """Return the text with the characters escaped that roff would interpret. In code, each minus stays a minus."""
    escaped = text.replace("\\", "\\e")
    escaped = escaped.replace("-", "\\-") if is_code else escaped.replace("--", "\\-\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
