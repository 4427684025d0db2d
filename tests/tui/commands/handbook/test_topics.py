"""The groups of topics."""

from tests.support.program import REPOSITORY
from tui.commands.handbook.pages import list_pages
from tui.commands.handbook.topics import GROUPS, OTHERS, group_topics


def test_every_page_is_in_one_group() -> None:
    topics = list(list_pages(REPOSITORY / "docs"))
    grouped = [topic for found in group_topics(topics).values() for topic in found]
    assert sorted(grouped) == sorted(topics)


def test_group_has_its_declared_order_and_the_index_of_a_folder_first() -> None:
    assert group_topics(["sources/srs", "console", "sources", "concepts", "quickstart", "sources/hls", "new"]) == {
        "Start": ["quickstart", "concepts"],
        "Handbook": ["console"],
        "Sources": ["sources", "sources/hls", "sources/srs"],
        OTHERS: ["new"],
    }


def test_no_topic_is_declared_twice() -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len(set(names))
