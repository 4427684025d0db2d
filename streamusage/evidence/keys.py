"""Keys that sign statements: Ed25519, as PEM that openssl reads, with the record of their rotations. Pure.

A private key's file has the private key (PKCS #8) and the rotations that led to it; a public key's file has the public
key and the same rotations. A rotation names the key before, the key after and the time, and is signed by both keys, so
that who trusts one of them may trust the other for its time.

    -----BEGIN PRIVATE KEY-----              what `openssl pkey -in FILE -pubout` reads
    …
    -----BEGIN STREAMTOP KEY ROTATION-----   base64 of canonical JSON, one block for each rotation
    …
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from streamusage.evidence.canonical_json import NotCanonicalError, decode, encode

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNED_PREFIX = b"streamtop-statement-v1\0"
"""Is signed before the bytes of a statement, so that no signature of anything else is one of a statement."""
ROTATION_PREFIX = b"streamtop-key-rotation-v1\0"
SIGNATURE_BYTES = 64

_NAME = re.compile(r"ed25519:[0-9a-f]{64}")
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s+(.*?)\s*-----END \1-----", re.DOTALL)
_ROTATION_LABEL = "STREAMTOP KEY ROTATION"


class StatementKeyError(Exception):
    """A key cannot be read, made or written. The text names its place, what is wrong, and what to do."""


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The replacement of a key by another one."""

    kind: Literal["streamtop-key-rotation-v1"] = "streamtop-key-rotation-v1"
    earlier: str
    """Name of the key that was replaced."""
    later: str
    """Name of the key that replaced it."""
    at: int
    """UTC milliseconds."""
    signed_by_earlier: str = ""
    """Hexadecimal signature over the rotation without its signatures."""
    signed_by_later: str = ""

    def holds(self) -> bool:
        """Return whether both keys signed it."""
        content = _rotation_content(self)
        return all(
            _has_signed(key, signature, content)
            for key, signature in ((self.earlier, self.signed_by_earlier), (self.later, self.signed_by_later))
        )


class PublicKey(NamedTuple):
    """A key that signatures are checked with, and the rotations that led to it, oldest first."""

    name: str
    """`ed25519:` and 64 hexadecimal digits: the key itself."""
    rotations: tuple[Rotation, ...] = ()

    def has_signed(self, content: bytes, signature: bytes) -> bool:
        """Return whether the key signed a statement with these bytes."""
        return _has_signed(self.name, signature.hex(), SIGNED_PREFIX + content)

    def to_pem(self) -> str:
        """Return the text of the public key's file."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        pem = _load_public(self.name).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        return pem + _rotation_blocks(self.rotations)


class StatementKey(NamedTuple):
    """A private key. Its text form never contains the key."""

    private: "Ed25519PrivateKey"
    rotations: tuple[Rotation, ...] = ()

    @property
    def public(self) -> PublicKey:
        """The key that checks its signatures."""
        return PublicKey(name_of(self.private.public_key()), self.rotations)

    def sign(self, content: bytes) -> bytes:
        """Return the signature of a statement with these bytes: 64 bytes."""
        return self.private.sign(SIGNED_PREFIX + content)

    def __repr__(self) -> str:
        return f"StatementKey({self.public.name})"

    def to_pem(self) -> str:
        """Return the text of the private key's file."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        pem = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return pem + _rotation_blocks(self.rotations)


def new_key() -> StatementKey:
    """Return a new key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return StatementKey(Ed25519PrivateKey.generate())


def rotate(key: StatementKey, at_ms: int) -> StatementKey:
    """Return a new key that replaces `key` from an instant on, with a rotation that both signed."""
    later = new_key()
    rotation = Rotation(earlier=key.public.name, later=later.public.name, at=at_ms)
    content = _rotation_content(rotation)
    signed = msgspec.structs.replace(
        rotation,
        signed_by_earlier=key.private.sign(content).hex(),
        signed_by_later=later.private.sign(content).hex(),
    )
    return later._replace(rotations=(*key.rotations, signed))


def parse_public_key(text: str) -> PublicKey:
    """Return the key of its name, such as `ed25519:9f86d0…`. Raises `StatementKeyError`."""
    if not _NAME.fullmatch(text):
        raise StatementKeyError(f"{text!r} is not a key; a key is ed25519: and 64 hexadecimal digits")
    return PublicKey(text)


def rotations_in(content: bytes, place: str, key: str) -> tuple[Rotation, ...]:
    """Return the rotations in the file of a key, oldest first. Raises `StatementKeyError` if they do not hold."""
    try:
        blocks = _BLOCK.findall(content.decode("ascii"))
        texts = [base64.b64decode(block, validate=False) for label, block in blocks if label == _ROTATION_LABEL]
        rotations = tuple(msgspec.convert(decode(text), Rotation) for text in texts)
    except (UnicodeDecodeError, binascii.Error, NotCanonicalError, msgspec.ValidationError):
        raise StatementKeyError(f"{place} has a rotation that cannot be read") from None
    if problem := find_rotation_fault(rotations, key):
        raise StatementKeyError(f"{place}: {problem}")
    return rotations


def find_rotation_fault(rotations: Sequence[Rotation], key: str) -> str | None:
    """Return what is wrong with the rotations of a key, oldest first.

    `None` if both keys signed each of them, each continues the one before, and the last leads to the key.
    """
    for number, rotation in enumerate(rotations):
        if not rotation.holds():
            return f"the rotation from {rotation.earlier} to {rotation.later} is not signed by both keys"
        if number and (rotations[number - 1].later != rotation.earlier or rotations[number - 1].at > rotation.at):
            return f"the rotation to {rotation.later} does not continue the one before"
    if rotations and rotations[-1].later != key:
        return f"its last rotation leads to {rotations[-1].later}, not to its key {key}"
    return None


def _rotation_blocks(rotations: Sequence[Rotation]) -> str:
    return "".join(
        f"-----BEGIN {_ROTATION_LABEL}-----\n{base64.encodebytes(encode(rotation)).decode()}"
        f"-----END {_ROTATION_LABEL}-----\n"
        for rotation in rotations
    )


def _rotation_content(rotation: Rotation) -> bytes:
    unsigned = {name: getattr(rotation, name) for name in ("kind", "earlier", "later", "at")}
    return ROTATION_PREFIX + encode(unsigned)


def name_of(public: "Ed25519PublicKey") -> str:
    """Return the name of a key."""
    return f"ed25519:{public.public_bytes_raw().hex()}"


def _load_public(name: str) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(name.removeprefix("ed25519:")))


def _has_signed(name: str, signature: str, content: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    if not _NAME.fullmatch(name):
        return False
    try:
        _load_public(name).verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True
