"""Integers of servers that write them in another notation, as Java libraries do. Pure.

| JSON                                    | integer                      |
|-----------------------------------------|------------------------------|
| `599000`                                | 599000                       |
| `599000.0`, `1.795E12`                  | 599000, 1795000000000        |
| `"599000"`, `"1.795E12"`                | 599000, 1795000000000        |
| `599000.5`, `1e40`, `"many"`, `""`, `true`, `null`, `[]` | `None`: no exact integer |
"""

import re

_LARGEST_EXACT = 2**53
"""The largest magnitude up to which every integer has a floating-point number of its own."""
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)


def exact_integer(value: object) -> int | None:
    """Return the integer that a decoded JSON value stands for exactly; `None` for anything else."""
    if type(value) is int:
        return value
    if type(value) is str:
        text = value.strip()
        if _INTEGER.fullmatch(text):
            return int(text)
        if not _DECIMAL.fullmatch(text):
            return None
        value = float(text)
    if type(value) is float and value.is_integer() and abs(value) <= _LARGEST_EXACT:
        return int(value)
    return None
