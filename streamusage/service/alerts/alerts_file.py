"""The alerts file: `[[rule]]` and `[[receiver]]` entries and `[sending]` in TOML (docs/alerts.md).

An unknown key is an error. Error texts name the file, the line, the key, the problem and what is allowed; they never
contain a secret.
"""

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from streamusage.api.alerts import ReceiverFormat, RuleKind, Severity
from streamusage.api.disagreements import DisagreementKind
from streamusage.core.durations import parse_duration_ms
from streamusage.core.secrets import SecretError
from streamusage.core.toml.toml_lines import TomlLines
from streamusage.service.alerts.patterns import WILDCARD
from streamusage.service.alerts.rules import AlertRule
from streamusage.service.alerts.settings import AlertSettings, AlertsFileError, Receiver, SecretText, Sending

DEFAULT_FOR: Mapping[RuleKind, str] = {
    "server-missing": "5m",
    "gap-lost": "0s",
    "day-not-final": "6h",
    "store": "30s",
    "clock": "1m",
    "disagreement": "0s",
    "no-viewers": "5m",
    "no-publisher": "1m",
}
"""How long the condition of each kind must last before its alert fires, unless the rule sets it."""

SELECTIONS: Mapping[str, tuple[RuleKind, ...]] = {
    "servers": ("server-missing", "gap-lost", "disagreement"),
    "streams": ("no-viewers", "no-publisher"),
    "zones": ("day-not-final",),
    "comparisons": ("disagreement",),
    "within": ("gap-lost",),
}
"""Keys of a rule that only some kinds have."""

RESERVED_LABELS = (
    "alertname", "comparison", "day", "from", "kind", "machine", "rule", "server", "service", "severity", "store",
    "stream", "zone",
)  # fmt: skip
"""Labels that the service sets itself."""

_LABEL_PATTERN = r"^[a-zA-Z_][a-zA-Z0-9_]{0,63}$"
_MISSING = "required key is missing"


def _duration(shortest: str, longest: str) -> Any:
    return BeforeValidator(lambda text: parse_duration_ms(str(text), shortest=shortest, longest=longest))


def _repeat(text: Any) -> int | None:
    return None if text == "never" else parse_duration_ms(str(text), shortest="1s", longest="366d")


Name = Annotated[str, Field(min_length=1, max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=1_000)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=False)


class _Secret(_Section):
    env: Text | None = None
    file: Path | None = None
    prefix: str = Field(default="", max_length=64)

    @model_validator(mode="after")
    def _require_one_place(self) -> "_Secret":
        if (self.env is None) == (self.file is None):
            raise ValueError("give exactly one of env (a variable's name) and file (a file's path)")
        return self

    def secret(self) -> SecretText:
        return SecretText(variable=self.env, file=self.file and self.file.expanduser(), prefix=self.prefix)


class _Receiver(_Section):
    name: Name
    format: ReceiverFormat = "json"
    url: Text | None = None
    url_env: Text | None = None
    url_file: Path | None = None
    headers: dict[Name, str | _Secret] = {}
    timeout_ms: Annotated[int, _duration("100ms", "5m"), Field(alias="timeout")] = 10_000
    sends_resolved: bool = Field(default=True, alias="resolved")
    resend_ms: Annotated[int, _duration("1s", "1h"), Field(alias="resend")] = 60_000
    ca_file: Path | None = None
    proxy: Text | None = None

    @field_validator("name")
    @classmethod
    def _is_printable(cls, value: str) -> str:
        return _check_printable(value)

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str | _Secret]) -> dict[str, str | _Secret]:
        for name, value in headers.items():
            if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
                raise ValueError(f"{name!r} is no name of a header")
            if isinstance(value, str) and not (value.isascii() and value.isprintable()):
                raise ValueError(f"the value of {name} must be printable ASCII")
        return headers

    @model_validator(mode="after")
    def _require_one_url(self) -> "_Receiver":
        if sum(given is not None for given in (self.url, self.url_env, self.url_file)) != 1:
            raise ValueError("give exactly one of url, url_env (a variable's name) and url_file (a file's path)")
        return self

    def receiver(self) -> Receiver:
        url_file = self.url_file and self.url_file.expanduser()
        return Receiver(
            name=self.name,
            format=self.format,
            url=SecretText(text=self.url, variable=self.url_env, file=url_file),
            headers={
                name: SecretText(text=value) if isinstance(value, str) else value.secret()
                for name, value in self.headers.items()
            },
            timeout_ms=self.timeout_ms,
            sends_resolved=self.sends_resolved,
            resend_ms=self.resend_ms,
            ca_file=self.ca_file and self.ca_file.expanduser(),
            proxy=self.proxy,
        )


class _Rule(_Section):
    name: Name
    kind: RuleKind
    severity: Severity = "warning"
    for_ms: Annotated[int | None, _duration("0s", "366d"), Field(alias="for")] = None
    resolve_after_ms: Annotated[int, _duration("0s", "7d"), Field(alias="resolve_after")] = 0
    repeat_ms: Annotated[int | None, BeforeValidator(_repeat), Field(alias="repeat")] = 14_400_000
    within_ms: Annotated[int, _duration("1m", "366d"), Field(alias="within")] = 86_400_000
    servers: tuple[Text, ...] = (WILDCARD,)
    streams: tuple[Text, ...] = ()
    zones: tuple[Text, ...] = (WILDCARD,)
    comparisons: tuple[Literal["*"] | DisagreementKind, ...] = ("*",)
    labels: dict[Annotated[str, Field(pattern=_LABEL_PATTERN)], Annotated[str, Field(max_length=1_000)]] = {}
    receivers: tuple[Text, ...] | None = None

    @field_validator("name")
    @classmethod
    def _is_printable(cls, value: str) -> str:
        return _check_printable(value)

    def rule(self, receivers: Iterable[str]) -> AlertRule:
        return AlertRule(
            name=self.name,
            kind=self.kind,
            severity=self.severity,
            for_ms=parse_duration_ms(DEFAULT_FOR[self.kind]) if self.for_ms is None else self.for_ms,
            resolve_after_ms=self.resolve_after_ms,
            repeat_ms=self.repeat_ms,
            within_ms=self.within_ms if self.kind in SELECTIONS["within"] else None,
            servers=self.servers,
            streams=self.streams,
            zones=self.zones,
            comparisons=self.comparisons,
            labels=self.labels,
            receivers=tuple(dict.fromkeys(receivers if self.receivers is None else self.receivers)),
        )


class _Sending(_Section):
    name: Name = "streamtop"
    every_ms: Annotated[int, _duration("100ms", "10m"), Field(alias="every")] = 10_000
    hand_over_ms: Annotated[int, _duration("500ms", "1h"), Field(alias="hand_over")] = 30_000
    first_retry_ms: Annotated[int, _duration("10ms", "1h"), Field(alias="first_retry")] = 1_000
    longest_retry_ms: Annotated[int, _duration("10ms", "24h"), Field(alias="longest_retry")] = 300_000
    give_up_ms: Annotated[int, _duration("1m", "366d"), Field(alias="give_up")] = 259_200_000
    queue: Annotated[int, Field(ge=10, le=100_000)] = 1_000


class _File(_Section):
    rule: tuple[_Rule, ...] = Field(min_length=1)
    receiver: tuple[_Receiver, ...] = ()
    sending: _Sending = _Sending()


_MODELS: Mapping[str, type[BaseModel]] = {"rule": _Rule, "receiver": _Receiver, "sending": _Sending}


def read_alerts(path: Path, environment: Mapping[str, str] | None = None) -> AlertSettings:
    """Return the settings of an alerts file. Secrets are read once, to check them. Raises `AlertsFileError`."""
    environment = os.environ if environment is None else environment
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise AlertsFileError(f"cannot read the alerts file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AlertsFileError(f"the alerts file {path} is not UTF-8 text") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser's message may quote a part of a secret: only the position is reported.
        place = str(error).rpartition("(")[2].rstrip(")")
        raise AlertsFileError(f"the alerts file {path} is not valid TOML, {place}") from None
    lines = TomlLines(text)
    try:
        content = _File.model_validate(document)
    except ValidationError as error:
        problems = [_problem(path, lines, _keys(fault["loc"]), _describe(fault)) for fault in error.errors()]
        raise AlertsFileError(_invalid(path, problems)) from None
    problems = [_problem(path, lines, keys, text) for keys, text in _contradictions(content, document, environment)]
    if problems:
        raise AlertsFileError(_invalid(path, problems))
    names = [receiver.name for receiver in content.receiver]
    sending = Sending(**content.sending.model_dump())
    return AlertSettings(
        rules=tuple(rule.rule(names) for rule in content.rule),
        receivers=tuple(receiver.receiver() for receiver in content.receiver),
        sending=sending,
    )


def _contradictions(
    content: _File, document: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the keys and the text of each problem between keys."""
    receivers = [receiver.name for receiver in content.receiver]
    for table, entries in (("rule", content.rule), ("receiver", content.receiver)):
        names = [entry.name for entry in entries]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield (table, str(index), "name"), f"{name!r} is used by an earlier {table}; choose another name"
    for index, rule in enumerate(content.rule):
        place = ("rule", str(index))
        given = document["rule"][index]
        for key, kinds in SELECTIONS.items():
            if key in given and rule.kind not in kinds:
                yield (*place, key), f"only for the kinds {', '.join(kinds)}, not for {rule.kind}"
        if rule.kind in SELECTIONS["streams"] and not rule.streams:
            yield (*place, "streams"), f'{_MISSING}: which streams matter, such as ["live/main"]'
        for name in rule.streams:
            if rule.kind == "no-publisher" and WILDCARD in name:
                yield (*place, "streams"), f"{name!r} is a pattern; a stream that is not there needs its whole name"
            if "/" not in name and name != WILDCARD:
                yield (*place, "streams"), f"{name!r} is no stream; write scope/name"
        for name in rule.receivers or ():
            if name not in receivers:
                known = f"allowed: {', '.join(receivers)}" if receivers else "the file has no [[receiver]]"
                yield (*place, "receivers"), f"no receiver {name!r}; {known}"
        for label in rule.labels:
            if label in RESERVED_LABELS:
                yield (*place, "labels"), f"{label} is a label of the service; choose another name"
    for index, entry in enumerate(content.receiver):
        yield from _receiver_problems(entry, ("receiver", str(index)), environment)
    sending = content.sending
    if sending.hand_over_ms < 3 * sending.every_ms:
        yield ("sending", "hand_over"), "it must be at least three times `every`"
    if sending.longest_retry_ms < sending.first_retry_ms:
        yield ("sending", "longest_retry"), "it must not be shorter than `first_retry`"


def _receiver_problems(
    entry: _Receiver, place: tuple[str, ...], environment: Mapping[str, str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    receiver = entry.receiver()
    key = next(name for name in ("url", "url_env", "url_file") if getattr(entry, name) is not None)
    try:
        url = urlsplit(receiver.url.read(f"the URL of the receiver {entry.name}", environment))
        if url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
            yield (*place, key), "not an HTTP URL; expected http://HOST/PATH or https://HOST/PATH"
    except SecretError as error:
        yield (*place, key), str(error)
    except ValueError:
        yield (*place, key), "not a URL; expected http://HOST/PATH or https://HOST/PATH"
    for name, secret in receiver.headers.items():
        try:
            secret.read(f"the header {name} of the receiver {entry.name}", environment)
        except SecretError as error:
            yield (*place, "headers", name), str(error)
    if receiver.ca_file is not None and not receiver.ca_file.is_file():
        yield (*place, "ca_file"), f"{receiver.ca_file} is no file"


def _keys(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """Return the keys of a fault, without the names of types that pydantic adds for a choice of types."""
    keys = [str(part) for part in location]
    return tuple(key for key in keys if key not in ("str", "_Secret", "[key]"))


def _describe(fault: Any) -> str:
    if fault["type"] == "missing":
        return _MISSING
    if fault["type"] == "extra_forbidden":
        model = _MODELS.get(str(fault["loc"][0])) if len(fault["loc"]) > 1 else None
        allowed = [field.alias or name for name, field in model.model_fields.items()] if model else list(_MODELS)
        return f"unknown key; allowed: {', '.join(allowed)}"
    if fault["loc"][-1:] == ("kind",):
        return f"unknown kind; allowed: {', '.join(get_args(RuleKind))}"
    return str(fault["msg"]).removeprefix("Value error, ")


def _problem(path: Path, lines: TomlLines, keys: tuple[str, ...], text: str) -> str:
    line = lines.find_line(keys)
    dotted = ".".join(key for key in keys if not key.isdecimal())
    return f"{path}:{line}: {dotted}: {text}" if line else f"{path}: {dotted or 'the file'}: {text}"


def _invalid(path: Path, problems: Iterable[str]) -> str:
    return "\n".join([f"the alerts file {path} is invalid", *dict.fromkeys(problems)])


def _check_printable(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError(f"{value!r} has characters that cannot be seen")
    return value
