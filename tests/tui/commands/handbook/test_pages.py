"""Topics, titles, sections and anchors of pages."""

from pathlib import Path

import pytest
from markdown.extensions.toc import slugify

from tests.support.program import REPOSITORY
from tui.commands.handbook.pages import (
    cut_section,
    find_documentation,
    find_topic,
    list_pages,
    sections_of,
    slug_of,
    title_of,
)

PAGE = """# The `first` page

Text.

```sh
# no heading
```

## Backups

About them.

### How

So.

## See [the other](other.md)

## Backups
"""


def test_documentation_of_a_wheel_comes_before_that_of_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "tui"
    assert find_documentation(package) is None
    for folder in (tmp_path / "docs", package / "files" / "docs"):
        folder.mkdir(parents=True)
        (folder / "console.md").touch()
        assert find_documentation(package) == folder


def test_topics_of_this_repository_have_short_names() -> None:
    pages = list_pages(REPOSITORY / "docs")
    assert {"operating", "sources", "sources/hls", "decisions", "library"} <= set(pages)
    assert not [topic for topic in pages if topic.endswith((".md", "README")) or topic.startswith("site")]


TOPICS = ["operating", "sources", "sources/hls", "decisions", "decisions/0007-own-http-server", "api", "daily"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("operating", ["operating"]),
        ("Operating", ["operating"]),
        ("docs/operating.md", ["operating"]),
        ("sources/README.md", ["sources"]),
        ("hls", ["sources/hls"]),
        ("0007", ["decisions/0007-own-http-server"]),
        ("d", ["decisions", "daily"]),
        ("operatng", []),
        ("", []),
        ("/", []),
    ],
)
def test_name_means_a_topic_or_the_last_part_or_the_beginning_of_one(wanted: str, found: list[str]) -> None:
    assert find_topic(wanted, TOPICS) == found


def test_headings_in_code_are_no_sections_and_equal_ones_have_their_own_anchors() -> None:
    assert title_of(PAGE) == "The first page"
    assert [section.anchor for section in sections_of(PAGE)] == [
        "the-first-page",
        "backups",
        "how",
        "see-the-other",
        "backups_1",
    ]


def test_section_has_its_subsections() -> None:
    assert cut_section(PAGE, "backups") == "## Backups\n\nAbout them.\n\n### How\n\nSo.\n\n"
    assert cut_section(PAGE, "how") == "### How\n\nSo.\n\n"
    assert cut_section(PAGE, "the-first-page") == PAGE
    assert cut_section(PAGE, "nowhere") is None


def test_anchor_is_that_of_the_built_site() -> None:
    for path in list_pages(REPOSITORY / "docs").values():
        for section in sections_of(path.read_text()):
            assert slug_of(section.title) == slugify(section.title, "-"), section
