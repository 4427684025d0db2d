"""What is wrong in an entry of a configuration file, in words."""

from pydantic import ValidationError


def describe_faults(error: ValidationError) -> str:
    """Return the faults with their places, such as `token, entry 2, role: Field required`."""
    return "; ".join(f"{_place(fault['loc'])}: {_message(fault['msg'])}" for fault in error.errors())


def _place(location: tuple[int | str, ...]) -> str:
    return ", ".join(f"entry {part + 1}" if isinstance(part, int) else part for part in location) or "file"


def _message(text: str) -> str:
    return text.removeprefix("Value error, ")
