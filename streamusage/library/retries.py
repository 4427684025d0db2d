"""Which failures are repeated, and after how long. Pure.

| request                        | failure                                  | repeated                           |
|--------------------------------|------------------------------------------|------------------------------------|
| reads                          | no reply, 408, 425, 429, 5xx             | after 0.5, 1, 2 … s, half of it random |
| reads                          | the same, with `Retry-After` up to 30 s  | after that time                    |
| reads                          | the same, with a longer one              | no                                 |
| reads                          | refused, not found, not this API         | no                                 |
| deletes, imports, corrections  | any                                      | never: they may have been carried out |
"""

from dataclasses import dataclass

from streamusage.client.errors import UnreachableError, UsageApiError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a read is repeated."""

    retries: int = 2
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0

    def wait_seconds(self, error: UsageApiError, attempt: int, chance: float) -> float | None:
        """Return the wait before the next attempt; `None` if there is none.

        `attempt` is the number of attempts that failed, `chance` a random number between 0 and 1.
        """
        if not isinstance(error, UnreachableError) or attempt > self.retries:
            return None
        if error.retry_after_seconds is not None:
            return error.retry_after_seconds if error.retry_after_seconds <= self.longest_wait_seconds else None
        wait: float = min(self.longest_wait_seconds, self.first_wait_seconds * 2.0 ** (attempt - 1))
        return wait * (0.5 + chance / 2)
