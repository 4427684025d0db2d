"""Search of sections."""

from tui.commands.handbook.search import search_pages

PAGES = {
    "operating": (
        "# Operating\n\nStart it.\n\n## Backups\n\nA `backup` of the store.\nRestore a backup.\n\n## Other\n\nx\n"
    ),
    "daily": "# Days\n\nA backup keeps closed days; the store has them.\n",
}


def test_sections_with_all_words_are_found_those_with_them_in_the_title_first() -> None:
    found = search_pages(PAGES, "BACKUP")
    assert [(section.topic, section.title, section.matches) for section in found] == [
        ("operating#backups", "Backups", 3),
        ("daily", "Days", 1),
    ]
    assert found[0].line == "A backup of the store."


def test_all_words_must_occur_in_one_section() -> None:
    assert [section.topic for section in search_pages(PAGES, "closed store")] == ["daily"]
    assert search_pages(PAGES, "closed restore") == []
    assert search_pages(PAGES, " ") == []


def test_row_of_a_table_is_shown_as_its_cells() -> None:
    (found,) = search_pages(
        {"values": "# Values\n\n| setting | unit |\n|---|---|\n| `edge-timeout` | seconds |\n"}, "edge"
    )
    assert found.line == "edge-timeout; seconds"
