"""Mutations of the rules that a simulation detected, from the test that broke a rule to the end of the test run."""

from collections.abc import Callable, Iterable

import pytest

_PROPERTY = "detected mutation"


def record_detected(
    record_property: Callable[[str, object], None], mutation: Callable[..., object], seed: int, error: Exception
) -> None:
    """Record by pytest's `record_property` which rule was broken, the seed that showed it, and what was violated."""
    record_property(_PROPERTY, f"{mutation.__name__} at seed {seed}: {mutation.__doc__} {error}")


def list_detected(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return a line for each mutation that the tests of these reports detected, in alphabetical order."""
    properties = (pair for report in reports for pair in report.user_properties)
    return sorted(str(value).splitlines()[0][:200] for name, value in properties if name == _PROPERTY)
