"""The extras of the distribution: what each adds, the modules that it installs, and how to install it.

`pip install streamtop` installs the console and the client commands. `pyproject.toml` declares the packages of the
extras; a test compares both.
"""

import shlex
import sys
from collections.abc import Collection, Iterable
from importlib.util import find_spec
from itertools import chain
from typing import NamedTuple


class Extra(NamedTuple):
    """An extra: its name, what it is for, and the modules that its packages install."""

    name: str
    purpose: str
    modules: tuple[str, ...]


EXTRAS = {
    extra.name: extra
    for extra in (
        Extra(
            "service",
            "the usage service and its store in SQLite",
            ("alembic", "apsw", "httptools", "prometheus_client", "sqlalchemy", "starlette", "zstandard"),
        ),
        Extra("agent", "the statistics agent", ("apsw", "h11", "prometheus_client")),
        Extra("postgres", "a store in PostgreSQL", ("psycopg",)),
        Extra("parquet", "Parquet files", ("pyarrow",)),
        Extra("docs", "the documentation site", ("mkdocs", "pymdownx")),
        Extra("pictures", "PNG pictures of the screenshots", ("resvg_py",)),
    )
}
"""The extras by name. `all` is `service`, `agent` and `postgres` together."""


def missing_modules(name: str) -> list[str]:
    """Return those modules of an extra that are not installed. Imports none of them."""
    return [module for module in EXTRAS[name].modules if not _is_installed(module)]


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # it is in sys.modules without a specification
        return sys.modules[module] is not None


def install_command(names: Iterable[str]) -> str:
    """Return the shell command that adds extras to this installation."""
    return f"{shlex.quote(sys.executable)} -m pip install 'streamtop[{','.join(names)}]'"


def describe_missing(what: str, names: Iterable[str], suggested: str = "") -> str:
    """Return why `what` cannot run and how to install it; empty if every module of these extras is installed.

    `suggested` is an extra that includes them.
    """
    missing = {name: modules for name in names if (modules := missing_modules(name))}
    if not missing:
        return ""
    absent = ", ".join(dict.fromkeys(chain.from_iterable(missing.values())))
    return _describe(what, tuple(missing), f"not installed: {absent}", suggested)


def describe_unusable(what: str, name: str, error: ImportError) -> str:
    """Return why `what` cannot run without the library of an extra, which could not be imported."""
    return _describe(what, (name,), str(error))


def _describe(what: str, names: Collection[str], cause: str, suggested: str = "") -> str:
    quoted = " and ".join(repr(name) for name in names)
    install = install_command([suggested] if suggested else names)
    return (
        f"{what} needs the extra{'s' * (len(names) > 1)} {quoted} ({cause}); nothing was done; install with: {install}"
    )
