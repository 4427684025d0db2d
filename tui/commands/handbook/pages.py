"""Where the pages of the documentation are, their names, titles and sections."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_HEADING = re.compile(r"^(#{1,6}) +(.+?) *#*$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")


class Section(NamedTuple):
    """A part of a page from a heading to the next one of any level."""

    level: int
    title: str
    """Without Markdown's marks."""
    anchor: str
    first_line: int
    """Index of the heading's line in the page."""


def find_documentation(package: Path) -> Path | None:
    """Return the folder of the pages: of an installed package, else of a checkout. `None` if there is none."""
    for folder in (package / "files" / "docs", package.parent / "docs"):
        if (folder / "console.md").is_file():
            return folder
    return None


def list_pages(folder: Path) -> dict[str, Path]:
    """Return the pages by topic: `operating`, `sources/hls`; the index of a folder has the folder's name."""
    pages = {}
    for path in sorted(folder.rglob("*.md")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts != ("README",):
            pages["/".join(parts[:-1] if parts[-1] == "README" else parts)] = path
    return pages


def find_topic(wanted: str, topics: list[str]) -> list[str]:
    """Return the topics that a name may mean: itself, else those with it as their last part, or that begin with it."""
    name = wanted.strip().strip("/").casefold().removeprefix("docs/").removesuffix(".md").removesuffix("/readme")
    if name in topics:
        return [name]
    last = [topic for topic in topics if topic.rpartition("/")[2] == name]
    return last or [topic for topic in topics if name and topic.rpartition("/")[2].startswith(name)]


def title_of(text: str) -> str:
    """Return the title of a page."""
    return next((section.title for section in sections_of(text)), "")


def sections_of(text: str) -> Iterator[Section]:
    """Yield the sections of a page. Anchors are those of the built site."""
    used: set[str] = set()
    is_code = False
    for number, line in enumerate(text.splitlines()):
        if _FENCE.match(line):
            is_code = not is_code
        elif not is_code and (found := _HEADING.match(line)):
            title = plain_text(found[2])
            anchor, count = slug_of(title), 0
            while (unique := f"{anchor}_{count}" if count else anchor) in used:
                count += 1
            used.add(unique)
            yield Section(len(found[1]), title, unique, number)


def cut_section(text: str, anchor: str) -> str | None:
    """Return a section of a page with its subsections; `None` if there is no such section."""
    sections, lines = list(sections_of(text)), text.splitlines(keepends=True)
    for index, section in enumerate(sections):
        if section.anchor == anchor:
            after = (other.first_line for other in sections[index + 1 :] if other.level <= section.level)
            return "".join(lines[section.first_line : next(after, len(lines))])
    return None


def plain_text(markdown: str) -> str:
    """Return a line without Markdown's marks of code, emphasis and links."""
    without_links = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return without_links.replace("`", "").replace("**", "")


def slug_of(title: str) -> str:
    """Return the anchor of a heading, as MkDocs makes it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())
