"""Values of usage records that cannot be used, as a text for an operator. Pure."""

import json

from streamusage.client.faulty.json_repair import unreadable_value

_MOST_CHARACTERS = 24
_REPLACEMENT = "\ufffd"


def describe_value(value: object) -> str:
    """Return a decoded JSON value as printable text of at most 24 characters. A text has no quotes."""
    replaced = unreadable_value(value)
    if replaced is not None:
        text = replaced
    elif isinstance(value, str):
        text = value
    else:
        try:
            text = json.dumps(value, ensure_ascii=False)
        except RecursionError:
            text = "a nested value"
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[: _MOST_CHARACTERS - 1]}…"
    return "".join(character if character.isprintable() else _REPLACEMENT for character in text)
