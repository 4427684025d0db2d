"""The customers file: `[[customer]]` entries in TOML, which say whose streams are whose."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from streamusage.core.figures import NO_CUSTOMER, NOT_BY_STREAM
from streamusage.service.file_faults import describe_faults
from streamusage.service.rules.customers import CustomerRuleError, CustomerRules, DatedRule

RESERVED_NAMES = (NO_CUSTOMER, NOT_BY_STREAM)
"""What figures without a customer are called: no customer can have these names."""

Text = Annotated[str, Field(min_length=1, max_length=512)]


class CustomersError(Exception):
    """The customers file is invalid. The message names file and entry."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=64)
    scopes: tuple[Text, ...] = ()
    streams: tuple[Text, ...] = ()
    first_day: date | None = Field(default=None, alias="from")
    last_day: date | None = Field(default=None, alias="to")

    @field_validator("name", "scopes", "streams")
    @classmethod
    def _is_printable(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for text in (value,) if isinstance(value, str) else value:
            if not text.isprintable() or text != text.strip():
                raise ValueError(f"{text!r} has characters that cannot be seen")
        return value

    @model_validator(mode="after")
    def _names_streams(self) -> "_Entry":
        if self.name in RESERVED_NAMES:
            raise ValueError(f"{self.name!r} is what figures without a customer are called; choose another name")
        if not self.scopes and not self.streams:
            raise ValueError("give scopes, streams or both")
        if self.first_day is not None and self.last_day is not None and self.last_day < self.first_day:
            raise ValueError(f"to ({self.last_day}) is before from ({self.first_day})")
        return self

    def rule(self) -> DatedRule:
        return DatedRule(
            name=self.name,
            scopes=self.scopes,
            streams=self.streams,
            first_day=self.first_day,
            last_day=self.last_day,
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    customer: list[_Entry] = []


def read_customers(path: Path) -> CustomerRules:
    """Return the rules of a TOML file with `[[customer]]` entries. Raises `CustomersError`."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CustomersError(f"cannot read the customers file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CustomersError(f"the customers file {path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise CustomersError(f"the customers file {path} is not valid TOML: {error}") from None
    try:
        return CustomerRules([entry.rule() for entry in _File.model_validate(content).customer])
    except ValidationError as error:
        raise CustomersError(f"the customers file {path} is invalid: {describe_faults(error)}") from None
    except CustomerRuleError as error:
        raise CustomersError(f"the customers file {path} is invalid: {error}") from None
