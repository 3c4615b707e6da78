"""How a number is named outside the process, and how a kept record is sealed to that name.

Unkeyed hashes of phone numbers hide nothing: one core tries the whole of a national range in
minutes (1.9 million SHA-256 a second, measured in Python). So a name is either the digits, or an
HMAC (RFC 2104, SHA-256) under a secret that the file and the cache server do not hold.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, Self

from agi.lookup.record import read, written
from agi.lookup.store import Stored
from agi.model import Msisdn, Product

MIN_SECRET: Final = 16
"""The shortest secret that is taken, in bytes."""

_NAME_BYTES: Final = 20
_TAG_BYTES: Final = 8
_MAX_EPOCH_MS: Final = 10**14
_CODES: Final = MappingProxyType(
    {
        Product.NETWORK: b"n",
        Product.FRAUD: b"f",
        Product.TPS: b"t",
        Product.UNSUBSCRIBE: b"u",
    }
)


@dataclass(frozen=True, slots=True)
class NumberKey:
    """Names of numbers, and seals of records: plain with an empty ``secret``, else keyed.

    A seal binds a record to its name and its age. Under a secret nobody else can make one; a plain
    one finds only accidents.
    """

    secret: bytes = field(default=b"", repr=False)

    @classmethod
    def plain(cls) -> Self:
        """Name numbers by their digits."""
        return cls()

    @classmethod
    def keyed(cls, secret: bytes) -> Self:
        """Name numbers by HMAC-SHA256 under ``secret``.

        Raises:
            ValueError: the secret is shorter than 16 bytes.
        """
        if len(secret) < MIN_SECRET:
            raise ValueError(f"a key of numbers has at least {MIN_SECRET} bytes")
        return cls(secret)

    @property
    def is_keyed(self) -> bool:
        """Say whether names hide the numbers."""
        return bool(self.secret)

    def name(self, number: Msisdn, product: Product = Product.NETWORK) -> bytes:
        """Return the name under which a product of a number is kept: digits, or 20 bytes."""
        digits = _CODES[product] + number.encode("ascii")
        if not self.secret:
            return digits
        return hmac.digest(self.secret, b"name:" + digits, "sha256")[:_NAME_BYTES]

    def names(self, number: Msisdn) -> list[bytes]:
        """Return the names of all products of a number."""
        return [self.name(number, product) for product in Product]

    def seal(self, name: bytes, stored: Stored) -> tuple[int, bytes]:
        """Return when the entry was obtained, in milliseconds, and its sealed record."""
        obtained_ms = round(stored.obtained * 1000)
        record = written(stored.said)
        return obtained_ms, self._tag(name, obtained_ms, record) + record

    def unseal(self, name: bytes, obtained_ms: object, value: object) -> Stored | None:
        """Return the entry; None when it is not what ``seal`` made for this name."""
        if not isinstance(value, bytes) or type(obtained_ms) is not int:
            return None
        if not 0 <= obtained_ms < _MAX_EPOCH_MS:
            return None
        tag, record = value[:_TAG_BYTES], value[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(name, obtained_ms, record)):
            return None
        said = read(record)
        return Stored(said, obtained_ms / 1000) if said is not None else None

    def mark(self) -> bytes:
        """Return what tells one secret from another and gives none of them away."""
        return self._tag(b"mark", 0, b"")

    def _tag(self, name: bytes, obtained_ms: int, record: bytes) -> bytes:
        text = b"%d:%b:%d:%b" % (len(name), name, obtained_ms, record)
        if not self.secret:
            return blake2b(text, digest_size=_TAG_BYTES).digest()
        return hmac.digest(self.secret, b"seal:" + text, "sha256")[:_TAG_BYTES]
