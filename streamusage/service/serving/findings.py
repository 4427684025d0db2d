"""Lines of the check of a start. Pure."""

from typing import Literal, NamedTuple

Verdict = Literal["ok", "WARNING", "FAILED"]


class StartFinding(NamedTuple):
    """The result of one check."""

    verdict: Verdict
    subject: str
    """What was checked, in a word."""
    text: str

    @property
    def is_failure(self) -> bool:
        """Whether the service cannot start like this, or nobody could use it."""
        return self.verdict == "FAILED"

    def __str__(self) -> str:
        """Return the finding as a line."""
        return f"  {self.verdict:<7} {self.subject}: {self.text}"


def passed(subject: str, text: str) -> StartFinding:
    """Return the finding that something is as it must be."""
    return StartFinding("ok", subject, text)


def warn(subject: str, text: str) -> StartFinding:
    """Return a finding with which the service starts, and which an operator should change."""
    return StartFinding("WARNING", subject, text)


def failed(subject: str, text: str) -> StartFinding:
    """Return a finding with which the service does not start, or nobody could use it."""
    return StartFinding("FAILED", subject, text)
