"""Which failures are repeated, and after how long."""

import pytest

from streamusage.client.errors import InvalidAnswerError, NotFoundError, RefusedError, UnreachableError, UsageApiError
from streamusage.library.retries import RetryPolicy

POLICY = RetryPolicy(retries=3)


def unreachable(retry_after: float | None = None) -> UnreachableError:
    return UnreachableError("host", "read", "no answer", retry_after_seconds=retry_after)


def test_waits_double_and_have_a_random_half() -> None:
    assert [POLICY.wait_seconds(unreachable(), attempt, 1.0) for attempt in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, None]
    assert [POLICY.wait_seconds(unreachable(), attempt, 0.0) for attempt in (1, 2, 3)] == [0.25, 0.5, 1.0]


def test_wait_has_a_limit() -> None:
    assert RetryPolicy(retries=20).wait_seconds(unreachable(), 20, 1.0) == 30.0


@pytest.mark.parametrize(("named", "wait"), [(0.0, 0.0), (7.0, 7.0), (30.0, 30.0), (31.0, None)])
def test_time_that_the_service_names_is_kept_up_to_the_limit(named: float, wait: float | None) -> None:
    assert POLICY.wait_seconds(unreachable(named), 1, 0.5) == wait


@pytest.mark.parametrize("kind", [RefusedError, NotFoundError, InvalidAnswerError])
def test_other_failures_are_not_repeated(kind: type[UsageApiError]) -> None:
    assert POLICY.wait_seconds(kind("host", "read", "no"), 1, 0.5) is None


def test_no_retries_repeat_nothing() -> None:
    assert RetryPolicy(retries=0).wait_seconds(unreachable(), 1, 0.5) is None
