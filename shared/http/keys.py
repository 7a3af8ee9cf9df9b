"""API keys: `cbk_live_<id>_<secret>`. Only an HMAC of the key is stored; a revoked key stops within seconds."""

import base64
import binascii
import hmac
import json
import time
from dataclasses import dataclass
from typing import Literal, get_args

from shared.database import Database, connect, fetch_one
from shared.errors import Forbidden, Unauthenticated
from shared.ids import Ids

Scope = Literal[
    "events:write",
    "profiles:read",
    "profiles:write",
    "segments:read",
    "segments:write",
    "campaigns:read",
    "campaigns:write",
    "coupons:read",
    "coupons:write",
    "coupons:redeem",
    "metrics:read",
    "admin",
]
SCOPES: tuple[str, ...] = get_args(Scope)
_CACHED_SECONDS = 3.0


class ShopBound(Forbidden):
    """The key is bound to a shop, and what is asked for is not that shop's."""

    code = "shop-bound-key"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking. A key bound to a shop sees and changes what is that shop's alone."""

    key_id: str
    scopes: frozenset[str]
    shop_id: str | None

    def require(self, scope: str, *, shop_keys: bool) -> None:
        """Raises Forbidden unless the key has the scope, and, when bound to a shop, the route allows such keys."""
        if scope not in self.scopes:
            raise Forbidden(f"this key lacks the scope {scope}", code="scope-missing")
        if self.shop_id is not None and not shop_keys:
            raise ShopBound("this key is bound to a shop; what you ask for is not one shop's")

    def require_shop(self, shop_id: str, pointer: str = "/shop_id") -> None:
        if self.shop_id is not None and self.shop_id != shop_id:
            raise ShopBound(f"this key is bound to the shop {self.shop_id}", pointer=pointer)


def credential(authorization: str | None) -> str | None:
    """The key in `Authorization: Bearer <key>`, or as the user of Basic."""
    kind, _, rest = (authorization or "").partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


class Keys:
    """The keys of one service's database, remembered for a few seconds."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids
        self._known: dict[str, tuple[float, Caller]] = {}

    async def caller(self, key: str | None) -> Caller:
        """Raises Unauthenticated for a key that is missing, unknown or revoked."""
        if not key:
            raise Unauthenticated("send an API key: Authorization: Bearer cbk_live_...", code="key-missing")
        until, caller = self._known.get(key, (0.0, None))
        if caller is None or until < time.monotonic():
            self._known.pop(key, None)
            caller = await self._find(key)
            self._known[key] = (time.monotonic() + _CACHED_SECONDS, caller)
        return caller

    async def _find(self, key: str) -> Caller:
        async with self._database.transaction() as session:
            row = await fetch_one(
                session,
                "SELECT sealed, scopes, shop_id FROM api_keys WHERE key_id = $1 AND revoked_at IS NULL",
                key_id(key),
            )
        if row is None or not hmac.compare_digest(row["sealed"], self._ids.seal(key)):
            raise Unauthenticated("this API key is unknown or revoked", code="key-unknown")
        return Caller(key_id(key), frozenset(row["scopes"]), row["shop_id"])


def key_id(key: str) -> str:
    """The public part of a key; also of a malformed one, which no row will match."""
    return "_".join(key.split("_")[:3])[:80].replace("\x00", "")


async def add_key(database_url: str, secret: str, key: str, scopes: list[str], shop_id: str | None = None) -> None:
    """Stores a key in one service's database; `secret` is the instance's."""
    connection = await connect(database_url)
    try:
        await connection.execute(
            """INSERT INTO api_keys (key_id, sealed, scopes, shop_id) VALUES ($1, $2, $3, $4)
               ON CONFLICT (key_id) DO UPDATE SET sealed = $2, scopes = $3, shop_id = $4, revoked_at = NULL""",
            key_id(key),
            Ids(secret).seal(key),
            json.dumps(scopes),
            shop_id,
        )
    finally:
        await connection.close()
