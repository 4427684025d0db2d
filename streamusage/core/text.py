"""Text from outside, made safe for messages, logs and terminals. Pure.

Publishers choose the names of streams, and other programs the texts of their answers.

    | function            | result                                                        |
    |---------------------|---------------------------------------------------------------|
    | `quote_input`       | a value in quotes for an error text, escaped and cut          |
"""

LONGEST_QUOTED = 48


def quote_input(value: object) -> str:
    r"""Return a value in quotes for an error text: `'5 x'`. Unprintable characters are escapes such as `\x1b`.

    A long value is cut to 48 characters and ends in an ellipsis.
    """
    text = str(value)
    return repr(text) if len(text) <= LONGEST_QUOTED else repr(text[:LONGEST_QUOTED] + "…")
