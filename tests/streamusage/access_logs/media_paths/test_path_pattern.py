"""An operator's own pattern for paths: what it may contain, and what it finds."""

import re
import time

import pytest

from streamusage.access_logs.media_paths.media_path import LONGEST_PATH
from streamusage.access_logs.media_paths.path_pattern import PathPattern

PATTERN = r"/(?P<scope>[^/]+)/(?P<name>[^/]+)_q(?P<rendition>\d+)/(?P<sequence>\d+)\.(?:ts|m4s)"


def test_groups_of_a_pattern_are_stream_rendition_and_number() -> None:
    file = PathPattern(PATTERN).classify("/live/s1_q3/12.ts?token=1")
    assert file is not None
    assert (file.scope, file.name, file.kind, file.rendition, file.sequence) == ("live", "s1", "segment", "3", 12)


def test_path_that_does_not_match_as_a_whole_is_no_file_of_a_stream() -> None:
    pattern = PathPattern(PATTERN)
    assert pattern.classify("/more/live/s1_q3/12.ts") is None
    assert pattern.classify("/live/s1_q3/12.ts.bak") is None


def test_scope_rendition_and_number_are_optional() -> None:
    file = PathPattern(r"/x/(?P<name>[^/]+)/[^/]+").classify("/x/s1/seg-7.ts")
    assert file is not None
    assert (file.scope, file.name, file.sequence) == ("hls", "s1", 7)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        (r"/(a+)+(?P<name>x)", "a group must not be repeated"),
        (r"/(?:[ab])*(?P<name>x)", "a group must not be repeated"),
        (r"/(?P<name>x){2,9}", "a group must not be repeated"),
        (r"/(?P<name>.)\1", "not allowed at character 13"),
        (r"(?=a)(?P<name>.+)", "not allowed at character 1"),
        (r"(?P<name>.+)(?P=name)", "not allowed at character 13"),
        (r"/(?P<name>.+).+.+.+", "it could take too long"),
        (r"/(?P<name>" + "a?" * 40 + "a" * 40 + ")", "it could take too long"),
        (r"/(?P<stream>.+)", "without a group for the stream's name"),
        (r"/(?P<name>.+)(?P<more>.)", "unknown group 'more'; allowed: name, scope, rendition, sequence"),
        ("/(?P<name>.", "not a regular expression: missing )"),
        ("/[a", "not allowed at character 2"),
        ("/(?P<name>a)" + "b" * 500, "longer than 500 characters"),
    ],
)
def test_pattern_that_is_wrong_or_could_take_too_long_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        PathPattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"/(?P<scope>.+)/(?P<name>[^/]+)/[^/]+x",
        r"/(?P<scope>[^/]+)/(?P<name>[^/]+)/(?:[^/]+/)?(?P<sequence>\d+)x",
        r"/(?P<name>.*)a.*x",
    ],
)
@pytest.mark.parametrize("path", ["/" + "a" * LONGEST_PATH, "/a" * LONGEST_PATH, "/1/" * LONGEST_PATH])
def test_accepted_pattern_takes_a_bounded_time(pattern: str, path: str) -> None:
    accepted = PathPattern(pattern)
    started = time.process_time()
    accepted.classify(path + ".ts")
    assert time.process_time() - started < 1
