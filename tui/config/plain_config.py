"""Reads a parsed `config.toml` of usual values, without importing a validator. Pure.

A value of another type, a wrong value and an unknown setting are left to `validation`: this module reports no error.
For every document, it returns what `validation` returns, or `None`.
"""

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from tui.config.profiles import Alerts, CheckedBy, Config, Profile


class _UnusualError(Exception):
    """The document has a value that this module does not read."""


def read_plain(document: Mapping[str, Any]) -> Config | None:
    """Return the content of a document; `None` if any of its values is not a usual one."""
    try:
        return Config(**_section(Config, document))
    except (_UnusualError, ValueError):
        return None


def _section(declared: type, table: Any) -> dict[str, Any]:
    """Return the values of a table by setting."""
    settings = declared.__annotations__
    if type(table) is not dict or not table.keys() <= settings.keys():
        raise _UnusualError
    return {name: _value(settings[name], value) for name, value in table.items()}


def _value(declared: Any, value: Any) -> Any:
    """Return the value of a setting of a declared type. Raises `_UnusualError`, and the `ValueError` of its check."""
    if declared in (bool, int, str):
        return _of_type(declared, value)
    if declared is Path:
        return Path(_of_type(str, value))
    if declared is Alerts or declared is Profile:
        return declared(**_section(declared, value))
    kind, parts = get_origin(declared), get_args(declared)
    if kind is Annotated:
        return _checked(parts[0], parts[1], value)
    if kind is UnionType or kind is Union:
        return _value(parts[0], value)  # a value of TOML is never null
    if kind is Literal and type(value) is str and value in parts:
        return value
    if kind is tuple:
        return tuple(_value(parts[0], item) for item in _of_type(list, value))
    if kind is Mapping:
        return {name: _value(parts[1], item) for name, item in _of_type(dict, value).items()}
    raise _UnusualError


def _checked(declared: Any, by: CheckedBy, value: Any) -> Any:
    if by.converts:
        return _of_type(declared, by.check(value))
    return by.check(_value(declared, value))


def _of_type(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise _UnusualError
    return value
