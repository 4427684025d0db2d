"""Plain technical English: expressions of the project's former dialect stay out of code, messages and docs."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.program import REPOSITORY

PASSIVE = r"\b(?:is|are|was|were|be|been|being)"

EXPRESSIONS = {
    rf"{PASSIVE} (?:told|had|said|heard|asked for|kept aside|taken in)\b": "reported, available, received, fetched",
    r"\b(?:tell|tells|telling|told)\b": "report, return, log, display",
    r"\b(?:hear|hears|heard)\b": "receive, record",
    r"\bwish(?:es|ed)?\b": "subscribe, request",
    r"\bwhat (?:it|that|this|they) brought\b": "recovered",
    r"\b(?:take|takes|taken|taking|took) along\b": "export, copy",
    r"\b(?:hand|hands|handed|handing) on\b": "export, forward",
    r"\bstands? in\b": "is in, replaces",
    r"\b(?:goes|go|going|went) on\b": "continue",
    r"\bwhoever\b": "the noun",
    r"\bkept aside\b": "quarantined",
    r"\b(?:take|takes|taken|taking|took) in\b": "accept, import",
    r"\blies over\b": "covers",
    r"\bthere is nothing at\b": "not found",
}
"""Regular expressions that texts must not match, and words to use instead."""

RULES = [(re.compile(expression, re.IGNORECASE), instead) for expression, instead in EXPRESSIONS.items()]

VAGUE_FUNCTION = re.compile(r"_?(?:told|said|say|tell|hear|heard|one|ask|asked|wish)")

FORMER_TEXTS = {"streamusage/core/reasons.py": re.compile("FORMER|_[A-Z_]+")}
"""Assignments by file that hold texts of earlier versions: stores and journals carry them for years."""

WIDTH = 100


class Finding(NamedTuple):
    """A text that breaks a rule."""

    path: Path
    line: int
    text: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(REPOSITORY)}:{self.line}: {self.text!r}; write: {self.instead}"


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]


def markdown_files() -> list[Path]:
    folders = ("docs", "bench", "screenshots", ".github")
    pages = [*REPOSITORY.glob("*.md"), *(page for folder in folders for page in (REPOSITORY / folder).rglob("*.md"))]
    return sorted(pages)


def findings_in(path: Path, first_line: int, text: str) -> Iterator[Finding]:
    for rule, instead in RULES:
        for match in rule.finditer(text):
            yield Finding(path, first_line + text.count("\n", 0, match.start()), match[0], instead)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every comment and string literal, docstrings and constant parts of f-strings included."""
    tree = ast.parse(path.read_text())
    former = FORMER_TEXTS.get(path.relative_to(REPOSITORY).as_posix(), re.compile(r"(?!)"))
    tree.body = [statement for statement in tree.body if not former.fullmatch(assigned_name(statement))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    with tokenize.open(path) as lines:
        yield from (
            (token.start[0], token.string)
            for token in tokenize.generate_tokens(lines.readline)
            if token.type == tokenize.COMMENT
        )


def assigned_name(statement: ast.stmt) -> str:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return ""


def report(findings: list[Finding]) -> str:
    return f"{len(findings)} findings:\n" + "\n".join(str(finding) for finding in findings)


def prose_lines(page: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page outside code blocks, each with its number."""
    in_code = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code:
            yield number, line


@pytest.mark.parametrize(
    "folder", ["streamusage", "tui", "bench", "tests/tui", "tests/support/console", "tests/support/commands"]
)
def test_texts_of_the_code_use_plain_english(folder: str) -> None:
    findings = [
        finding
        for path in python_files(folder)
        for line, text in texts(path)
        for finding in findings_in(path, line, text)
    ]
    assert not findings, report(findings)


def test_markdown_pages_use_plain_english() -> None:
    findings = [
        finding
        for page in markdown_files()
        for line, text in prose_lines(page)
        for finding in findings_in(page, line, re.sub(r"`[^`]*`", "", text))
    ]
    assert not findings, report(findings)


def test_no_function_is_named_by_a_vague_verb() -> None:
    findings = [
        Finding(path, node.lineno, node.name, "a verb and its object")
        for path in python_files("streamusage", "tui", "bench", "tests")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and VAGUE_FUNCTION.fullmatch(node.name)
    ]
    assert not findings, report(findings)


def test_markdown_lines_are_wrapped() -> None:
    findings = [
        Finding(page, number, f"{line[:40]}… ({len(line)} characters)", f"lines of at most {WIDTH} characters")
        for page in markdown_files()
        for number, line in prose_lines(page)
        if len(line) > WIDTH and not line.lstrip().startswith("|") and not is_unbreakable(line)
    ]
    assert not findings, report(findings)


def is_unbreakable(line: str) -> bool:
    """Whether a line is one link, picture, address or code span, which cannot be wrapped."""
    text = re.sub(r"!?\[[^\]]*\]\([^)]*\)|`[^`]*`|https?://\S+", "x", line.strip().lstrip("-*> "))
    return " " not in text


@pytest.mark.parametrize(
    "text",
    [
        "The reason is told by the agent.",
        "Nothing was asked for.",
        "the rows that were kept aside",
        "Show what it brought",
        "whoever reads it",
        "tells the backlog",
        "The agent goes on counting",
    ],
)
def test_rules_match_former_texts(text: str) -> None:
    assert list(findings_in(REPOSITORY / "README.md", 1, text))


@pytest.mark.parametrize("text", ["The agent reports the reason.", "quarantined rows", "Continue with the next step."])
def test_rules_accept_plain_texts(text: str) -> None:
    assert not list(findings_in(REPOSITORY / "README.md", 1, text))
