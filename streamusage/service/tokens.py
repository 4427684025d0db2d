"""Tokens and roles, kept as digests only. A token's text is never stored, logged or displayed."""

import hashlib
import hmac
import json
import os
import re
import secrets
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamusage.core.open_files import OWNER_ONLY
from streamusage.core.secrets import EXACT, TEXT, SecretError, read_secret_file, read_secret_variable
from streamusage.service.file_faults import describe_faults

Role = Literal["admin", "viewer", "agent"]


class TokensError(Exception):
    """The tokens file is invalid. The message names file, entry and key, never a token."""


class Identity(NamedTuple):
    """The name and role of a token, and its server or customer."""

    name: str
    role: Role
    server: str | None = None
    """The one server that an agent reports for."""
    customer: str | None = None
    """The one customer whose figures a viewer may read."""

    def may_read(self) -> bool:
        """Whether the token may read all records and statistics."""
        return self.role in {"admin", "viewer"} and self.customer is None

    def may_read_customers(self) -> bool:
        """Whether the token may read figures by customer: of all, or of its own."""
        return self.role in {"admin", "viewer"}

    def may_change(self) -> bool:
        """Whether the token may delete, import, close and remove."""
        return self.role == "admin"

    def may_report_for(self, server: str) -> bool:
        """Whether the token may send reports of the server."""
        return self.role == "agent" and self.server == server


_NO_MATCH: tuple[bytes, Identity | None] = (bytes(32), None)


class Tokens:
    """The valid tokens, by digest. `replace_with` exchanges them all at once."""

    def __init__(self, identities: Mapping[bytes, Identity]) -> None:
        self._identities = {digest: (digest, identity) for digest, identity in identities.items()}

    def identify(self, token: str) -> Identity | None:
        """Return the token's identity, or `None`. Only digests are compared, in constant time, so that the duration
        reveals nothing about any token.
        """
        digest = digest_of(token)
        known, identity = self._identities.get(digest, _NO_MATCH)
        return identity if hmac.compare_digest(known, digest) else None

    def replace_with(self, tokens: "Tokens") -> None:
        """Replace all tokens by those of `tokens`; removed tokens are no longer valid."""
        self._identities = dict(tokens._identities)

    def count_roles(self) -> dict[Role, int]:
        """Return how many tokens have each role, without roles that none has."""
        return dict(Counter(identity.role for _, identity in self._identities.values()))

    def __len__(self) -> int:
        return len(self._identities)


def new_token() -> str:
    """Return a random token of 256 bits, in letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> bytes:
    """Return the digest that is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    value: str | None = Field(default=None, min_length=1)
    value_env: str | None = Field(default=None, min_length=1)
    sha256: str | None = Field(default=None, pattern=r"^[0-9A-Fa-f]{64}$")
    name: str | None = Field(default=None, min_length=1, max_length=64)
    role: Role
    server: str | None = Field(default=None, min_length=1, max_length=64)
    customer: str | None = Field(default=None, min_length=1, max_length=64)

    @model_validator(mode="after")
    def _one_token(self) -> "_Entry":
        if sum(given is not None for given in (self.value, self.value_env, self.sha256)) != 1:
            raise ValueError("give exactly one of value, value_env and sha256")
        if (self.role == "agent") != (self.server is not None):
            raise ValueError('server is required for role = "agent", and allowed only there')
        if self.customer is not None and self.role != "viewer":
            raise ValueError('customer is allowed only for role = "viewer"')
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: list[_Entry] = Field(min_length=1)


def format_entry(token: str, role: Role, *, name: str, server: str | None = None, customer: str | None = None) -> str:
    """Return the `[[token]]` entry of a token as TOML, with its digest in place of the token.

    The texts are printable, and the name is not empty.
    """
    values = {
        "name": name,
        "role": role,
        "server": server,
        "customer": customer,
        "sha256": digest_of(token).hex(),
    }
    # A JSON string of printable characters is a TOML string.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items() if value is not None]
    return "\n".join(["[[token]]", *lines, ""])


def add_entry(path: Path, entry: str) -> int:
    """Append an entry to a tokens file, or create the file, which only its owner can read.

    Return the number of entries after that. Raises `TokensError`; then the file is what it was.
    """
    count = len(_read_entries(path)) if path.exists() else 0
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, OWNER_ONLY)
        with os.fdopen(handle, "rb+", buffering=0) as file:
            before = file.read()
            separator = "" if not before else "\n" if before.endswith(b"\n") else "\n\n"
            file.write((separator + entry).encode())  # one write: a reader never sees a part of it
            os.fsync(file.fileno())
    except OSError as error:
        raise TokensError(f"cannot write the tokens file {path}: {error.strerror}; no token was added") from None
    return count + 1


def read_tokens(path: Path, environment: Mapping[str, str]) -> Tokens:
    """Return the tokens of a TOML file with `[[token]]` entries. Raises `TokensError`."""
    identities: dict[bytes, Identity] = {}
    for number, entry in enumerate(_read_entries(path), start=1):
        digest = _digest(entry, path, number, environment)
        if digest in identities:
            raise TokensError(f"the tokens file {path} is invalid: token {number} is a duplicate")
        identities[digest] = Identity(entry.name or f"token {number}", entry.role, entry.server, entry.customer)
    return Tokens(identities)


def _read_entries(path: Path) -> list[_Entry]:
    """Return the entries of a tokens file. Raises `TokensError`."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TokensError(f"cannot read the tokens file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TokensError(f"the tokens file {path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        # The parser's message may quote a token: only the position is reported.
        place = re.search(r"at (line \d+, column \d+|end of document)", str(error))
        raise TokensError(f"the tokens file {path} is not valid TOML{f', {place[0]}' if place else ''}") from None
    try:
        return _File.model_validate(content).token
    except ValidationError as error:
        raise TokensError(f"the tokens file {path} is invalid: {describe_faults(error)}") from None


def load_or_create_admin_token(path: Path) -> tuple[Tokens, bool]:
    """Return the admin token of that file, and whether it was created now. Only the owner can read the file.

    Raises `TokensError`.
    """
    made = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            made = True
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(new_token() + "\n")
    except OSError as error:
        raise TokensError(f"cannot store an admin token in {path}: {error.strerror}") from None
    try:
        token = read_secret_file(path, f"the token file {path}", TEXT).secret
    except SecretError as error:
        raise TokensError(f"{error}; or remove the file to create a new token at the next start") from None
    return Tokens({digest_of(token): Identity("admin", "admin")}), made


def _digest(entry: _Entry, path: Path, number: int, environment: Mapping[str, str]) -> bytes:
    if entry.sha256 is not None:
        return bytes.fromhex(entry.sha256)
    if entry.value is not None:
        return digest_of(entry.value)
    place = f"environment variable {entry.value_env}"
    try:
        return digest_of(read_secret_variable(entry.value_env or "", place, EXACT, environment))
    except SecretError as error:
        raise TokensError(f"the tokens file {path} is invalid: token {number}, value_env: {error}") from None
