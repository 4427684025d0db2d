"""Text with U+0000 in a form that PostgreSQL can store."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.service.store.engines.postgresql import PostgresqlEngine


@given(st.none() | st.text(st.sampled_from("\0\x010a")) | st.text())
def test_encoded_text_has_no_nul_and_decodes_to_itself(text: str | None) -> None:
    encoded = PostgresqlEngine.encode_text(text)
    assert encoded is None or "\0" not in encoded
    assert PostgresqlEngine.decode_text(encoded) == text
