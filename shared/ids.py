"""Ids are derived, not drawn: the same natural key gives the same id, so creating twice is creating once."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

# No 0 O 1 I L U: nobody misreads a code, and no code spells a word by accident with U.
_CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_WEIGHTS = (1, 7, 11, 13, 17, 19, 23, 29)
# Bytes: a billion ids, and one chance in a hundred billion that two of them are equal.
_DERIVED = 12
_encode = msgspec.json.Encoder().encode


class Ids:
    """Keyed by the instance's secret, so that nobody outside can compute an id or a code."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.blake2b(secret.encode()).digest()
        self._keyed = hashlib.blake2b(digest_size=_DERIVED, key=self._key)

    def _digest(self, parts: tuple[str, ...], size: int) -> bytes:
        # Lengths keep ("ab", "c") apart from ("a", "bc").
        message = "".join(f"{len(part)}:{part}" for part in parts).encode()
        return hashlib.blake2b(message, digest_size=size, key=self._key).digest()

    def derive(self, prefix: str, *parts: str) -> str:
        """`prefix_` and 24 hexadecimal characters (96 bits) of the natural key `parts`."""
        keyed = self._keyed.copy()
        # Quotes keep ("ab", "c") apart from ("a", "bc").
        keyed.update(_encode((prefix, *parts)))
        return f"{prefix}_{keyed.hexdigest()}"

    def share(self, *parts: str) -> float:
        """A stable number in [0, 1) for the natural key: who is held out."""
        return int.from_bytes(self._digest(("share", *parts), 7), "big") / 2**56

    def code(self, *parts: str) -> str:
        """A coupon code: 14 characters (68 bits) of a keyed hash, and one that catches a mistyped character."""
        number = int.from_bytes(self._digest(("code", *parts), 16), "big")
        digits: list[int] = []
        for _ in range(14):
            number, digit = divmod(number, len(_CODE_ALPHABET))
            digits.append(digit)
        return "".join(_CODE_ALPHABET[digit] for digit in (*digits, _check(digits)))

    @staticmethod
    def code_is_sound(code: str) -> bool:
        """Whether it can be a code of anybody's at all: no mistyped one is."""
        digits = [_CODE_ALPHABET.find(character) for character in code]
        return len(digits) == 15 and -1 not in digits and _check(digits[:-1]) == digits[-1]

    def seal(self, text: str) -> str:
        """An HMAC of a secret that is stored instead of it."""
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _check(digits: list[int]) -> int:
    # Weights without a divisor of 30 in them: any one character that changes also changes the sum.
    return sum(weight * digit for weight, digit in zip(_WEIGHTS * 2, digits, strict=False)) % len(_CODE_ALPHABET)


def new_id(info: Mapping[str, Any], prefix: str) -> str:
    """The id of what somebody makes over HTTP: derived from their Idempotency-Key (`session.info`), else drawn.

    So the same request makes the same thing, even when the answer to the first one was lost with a database.
    """
    request: str | None = info.get("idempotency")
    ids: Ids = info["ids"]
    return ids.derive(prefix, "request", request) if request else draw(prefix)


def draw(prefix: str) -> str:
    """A random id, for what has no natural key."""
    return f"{prefix}_{secrets.token_hex(_DERIVED)}"
