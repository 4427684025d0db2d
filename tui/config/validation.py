"""Validates a parsed `config.toml` by pydantic. Imported only where `plain_config` does not read the document.

The models are built from the declarations in `profiles`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from tui.config.profiles import Alerts, Config, Profile


class InvalidConfigError(ValueError):
    """Settings are wrong. The text names each of them, and what is allowed."""


def validate(document: Mapping[str, Any]) -> Config:
    """Return the content of a document. Raises `InvalidConfigError`."""
    try:
        return Config(**_values(_CONFIG.model_validate(document)))
    except ValidationError as error:
        wrong = "; ".join(f"{_key(item['loc'])}: {_reason(item['type'], item['msg'])}" for item in error.errors())
        raise InvalidConfigError(wrong) from None


def _model(declared: type[msgspec.Struct], **replaced: Any) -> type[BaseModel]:
    """Return the model of a declaration, with other types for some of its settings."""
    defaults = declared()
    settings: dict[str, Any] = {
        name: (replaced.get(name, declared.__annotations__[name]), getattr(defaults, name))
        for name in declared.__struct_fields__
    }
    forbidding = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    return create_model(declared.__name__, __config__=forbidding, **settings)


def _values(model: BaseModel) -> dict[str, Any]:
    """Return the values that a document gives, by setting."""
    return {name: _plain(getattr(model, name)) for name in model.model_fields_set}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return (Alerts if isinstance(value, _ALERTS) else Profile)(**_values(value))
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


_ALERTS = _model(Alerts)
_PROFILE = _model(Profile, alerts=_ALERTS)
_CONFIG = _model(Config, profiles=dict[str, _PROFILE], keys=dict[str, str])  # type: ignore[valid-type]


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _reason(kind: str, message: str) -> str:
    return "unknown setting" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
