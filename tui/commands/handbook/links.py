"""Links between pages as topics of `streamtop docs`. Pure.

| link on the page `sources/hls`        | becomes                       |
|---------------------------------------|-------------------------------|
| `../operating.md#backups`             | `operating#backups`           |
| `README.md`                           | `sources`                     |
| `#what-is-read`                       | no topic: it is this page     |
| `../../bench/README.md`               | no topic: no page             |
| `https://example.net`                 | no topic                      |
"""

import posixpath
from collections.abc import Collection


def topic_of_link(target: str, page: str, topics: Collection[str]) -> str | None:
    """Return the topic of a link on a page, which is given with its path below the folder of the pages."""
    path, _, anchor = target.partition("#")
    if not path.endswith(".md") or "://" in path:
        return None
    found = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)).removesuffix(".md")
    topic = posixpath.dirname(found) if posixpath.basename(found) == "README" else found
    if topic not in topics:
        return None
    return f"{topic}#{anchor}" if anchor else topic
