"""Files of keys that sign statements: read, created and replaced."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from streamusage.core.atomic_file import write_atomically
from streamusage.evidence.keys import PublicKey, StatementKey, StatementKeyError, name_of, rotations_in

LARGEST_KEY_FILE = 262_144


def read_statement_key(path: Path) -> StatementKey:
    """Return the private key of a file. Raises `StatementKeyError` if others can use the file, or it has no key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content, mode = _read(path)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StatementKeyError(
            f"{path} may be used by others on this machine (mode {mode & 0o777:o}), so its signatures prove nothing; "
            f"if nobody read it: chmod 600 {path}"
        )
    try:
        private = load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise StatementKeyError(
            f"{path} has no private key in PEM without a password; streamtop key new makes one"
        ) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise StatementKeyError(f"{path} has a private key that is not Ed25519; streamtop key new makes one")
    return StatementKey(private, rotations_in(content, str(path), name_of(private.public_key())))


def read_public_key(path: Path) -> PublicKey:
    """Return the public key of a file: of a public one, or of a private one. Raises `StatementKeyError`."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content, _ = _read(path)
    if b"PRIVATE KEY-----" in content:
        return read_statement_key(path).public
    try:
        public = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise StatementKeyError(f"{path} has no public key in PEM; streamtop key show prints one") from None
    if not isinstance(public, Ed25519PublicKey):
        raise StatementKeyError(f"{path} has a public key that is not Ed25519")
    name = name_of(public)
    return PublicKey(name, rotations_in(content, str(path), name))


def create_key_file(path: Path, key: StatementKey) -> None:
    """Write a new private key's file, readable by its owner only. Raises `StatementKeyError` if the file exists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(key.to_pem())
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise StatementKeyError(f"{path} exists; it was not changed: choose another file, or rotate its key") from None
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise StatementKeyError(f"{path} cannot be written: {error.strerror}; no key was made") from None


def replace_key_file(path: Path, key: StatementKey) -> None:
    """Replace a private key's file by that of another key, as a whole. Raises `StatementKeyError`: it is unchanged."""
    try:
        write_atomically(path, key.to_pem().encode("ascii"), mode=0o600)
    except OSError as error:
        raise StatementKeyError(f"{path} cannot be replaced: {error.strerror}; it is unchanged") from None


def _read(path: Path) -> tuple[bytes, int]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(LARGEST_KEY_FILE + 1)
    except OSError as error:
        raise StatementKeyError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_KEY_FILE:
        raise StatementKeyError(f"{path} is not a key: it is larger than {LARGEST_KEY_FILE} bytes")
    return content, mode
