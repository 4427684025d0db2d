"""Links between pages as topics."""

import pytest

from tui.commands.handbook.links import topic_of_link

TOPICS = {"operating", "sources", "sources/hls", "decisions"}


@pytest.mark.parametrize(
    ("target", "page", "topic"),
    [
        ("operating.md", "console.md", "operating"),
        ("../operating.md#backups", "sources/hls.md", "operating#backups"),
        ("README.md", "sources/hls.md", "sources"),
        ("hls.md", "sources/README.md", "sources/hls"),
        ("sources/hls.md", "operating.md", "sources/hls"),
        ("decisions/README.md#decisions", "operating.md", "decisions#decisions"),
        ("#backups", "operating.md", None),
        ("../bench/README.md", "scale.md", None),
        ("gone.md", "operating.md", None),
        ("grafana.json", "api.md", None),
        ("https://example.net/operating.md", "api.md", None),
    ],
)
def test_link_to_a_page_is_a_topic(target: str, page: str, topic: str | None) -> None:
    assert topic_of_link(target, page, TOPICS) == topic
