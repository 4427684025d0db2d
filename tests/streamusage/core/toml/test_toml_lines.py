"""Line numbers of keys in TOML texts."""

import pytest

from streamusage.core.toml.toml_lines import TomlLines

TEXT = """\
server = "a"

[service]  # a comment
url = "x"
limits = { rows = 1 }

[[source]]
kind = "hls"

[[source]]
"quoted" = 1
dotted.key = 2
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("server",), 1),
        (("service",), 3),
        (("service", "url"), 4),
        (("service", "limits", "rows"), 5),
        (("service", "missing"), 3),
        (("source", "0", "kind"), 8),
        (("source", "1"), 10),
        (("source", "1", "quoted"), 11),
        (("source", "1", "dotted", "key"), 12),
        (("missing",), None),
    ],
)
def test_line_of_a_key_or_of_its_table(keys: tuple[str, ...], line: int | None) -> None:
    assert TomlLines(TEXT).find_line(keys) == line
