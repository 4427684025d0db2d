"""URL paths of streams: every stream has one, which names this stream only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.core.usage import EmptyNameError, StreamId, parse_stream, parse_stream_path, stream_path

segments = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
scope_segments = segments.filter(lambda segment: "/" not in segment)


@given(st.lists(scope_segments, min_size=1, max_size=3), segments)
def test_stream_of_a_path_is_the_stream_that_it_was_built_from(scope: list[str], name: str) -> None:
    stream = StreamId("/".join(scope), name)
    path = stream_path(stream)
    assert parse_stream_path(path) == stream
    assert parse_stream_path(f"/{path}") == stream
    assert path.isascii()
    assert not {".", ".."} & set(path.split("/"))


@pytest.mark.parametrize("stream", [("", "a"), ("live", ""), ("", ""), ("/live", "a"), ("live/", "a"), ("a//b", "c")])
def test_stream_without_a_part_of_its_name_has_no_path(stream: tuple[str, str]) -> None:
    with pytest.raises(EmptyNameError):
        stream_path(StreamId(*stream))


@pytest.mark.parametrize("path", ["", "/", "live", "/live", "live/", "//a", "live//a"])
def test_path_without_scope_or_name_is_refused(path: str) -> None:
    with pytest.raises(EmptyNameError):
        parse_stream_path(path)


def test_written_stream_is_split_at_its_last_slash() -> None:
    assert parse_stream("live/room1/a") == StreamId("live/room1", "a")
    assert parse_stream("/live/a") == StreamId("live", "a")


@pytest.mark.parametrize("text", ["", "/", "a", "live/", "/a", "live//a"])
def test_written_stream_without_scope_or_name_is_refused(text: str) -> None:
    with pytest.raises(EmptyNameError, match="SCOPE/NAME"):
        parse_stream(text)
