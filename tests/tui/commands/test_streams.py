"""Names of streams on the command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.core.usage import EmptyNameError, StreamId, stream_path
from tui.commands.streams import format_stream_name, parse_stream_name

any_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


class TestStreams:
    @given(any_text, any_text)
    def test_formatted_stream_name_parses_to_the_same_stream(self, scope: str, name: str) -> None:
        stream = StreamId(scope.strip("/"), name)
        try:
            stream_path(stream)
        except EmptyNameError:
            return
        assert parse_stream_name(format_stream_name(stream)) == stream

    @pytest.mark.parametrize(
        ("text", "stream"),
        [
            ("live/keynote", ("live", "keynote")),
            ("/live/keynote", ("live", "keynote")),
            ("live/room1/keynote", ("live/room1", "keynote")),
            ("live/a%2Fb", ("live", "a/b")),
            ("live/a%2fb", ("live", "a/b")),
            ("live/a%252Fb", ("live", "a%2Fb")),
            ("live/50%20off", ("live", "50%20off")),
            ("live/100%", ("live", "100%")),
        ],
    )
    def test_typed_stream_name_is_parsed(self, text: str, stream: tuple[str, str]) -> None:
        assert parse_stream_name(text) == stream

    def test_invalid_utf8_is_refused(self) -> None:
        with pytest.raises(EmptyNameError):
            parse_stream_name("live/\udcff")
