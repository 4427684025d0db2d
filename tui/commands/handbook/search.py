"""Finds words in the pages. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from tui.commands.handbook.pages import plain_text, sections_of


class FoundSection(NamedTuple):
    """A section that has all words."""

    topic: str
    """With the section's anchor, unless it is the page's first one."""
    title: str
    line: str
    """The first line with one of the words."""
    matches: int
    """How often the words occur."""


def search_pages(texts: Mapping[str, str], words: str) -> list[FoundSection]:
    """Return the sections that have all words, in whatever case: those with them in the title first, then by number."""
    wanted = words.casefold().split()
    found = []
    for topic, text in texts.items():
        lines, sections = text.splitlines(), list(sections_of(text))
        for index, section in enumerate(sections):
            end = sections[index + 1].first_line if index + 1 < len(sections) else len(lines)
            body = [_without_bars(plain_text(line)) for line in lines[section.first_line + 1 : end]]
            whole = " ".join([section.title, *body]).casefold()
            if not wanted or not all(word in whole for word in wanted):
                continue
            line = next((line for line in body if any(word in line.casefold() for word in wanted)), "")
            name = topic if index == 0 else f"{topic}#{section.anchor}"
            found.append(FoundSection(name, section.title, line, sum(whole.count(word) for word in wanted)))
    return sorted(found, key=lambda one: (not _is_in_title(one, wanted), -one.matches))


def _without_bars(line: str) -> str:
    """Return the cells of a row of a table."""
    return "; ".join(cell.strip() for cell in line.strip("|").split("|")) if line.startswith("|") else line


def _is_in_title(found: FoundSection, wanted: list[str]) -> bool:
    return all(word in found.title.casefold() for word in wanted)
