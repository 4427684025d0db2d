"""When a delivery is tried again."""

from random import Random

from streamusage.service.alerts.retries import delay_ms, is_accepted, is_final


def test_waits_grow_up_to_the_longest_with_jitter() -> None:
    random = Random(1)
    waits = [delay_ms(attempts, 1_000, 60_000, random) for attempts in range(1, 100)]
    assert all(500 <= wait <= 60_000 for wait in waits)
    assert all(
        2 ** (attempts - 1) * 500 <= waits[attempts - 1] <= 2 ** (attempts - 1) * 1_000 for attempts in range(1, 7)
    )
    assert all(wait >= 30_000 for wait in waits[6:])
    assert len(set(waits[10:])) > 50


def test_receiver_may_ask_for_longer_but_not_for_shorter() -> None:
    assert delay_ms(1, 1_000, 60_000, Random(1), 90.0) == 90_000
    assert delay_ms(9, 1_000, 60_000, Random(1), 0.0) >= 30_000


def test_refused_messages_are_final_and_repairable_failures_are_not() -> None:
    assert [status for status in (None, 400, 401, 403, 404, 408, 413, 422, 429, 500, 503) if is_final(status)] == [
        400, 413, 422,
    ]  # fmt: skip
    assert [status for status in (None, 200, 202, 204, 301, 404, 500) if is_accepted(status)] == [200, 202, 204]
