"""What any call of Segment's SDKs may say of who sends it."""

import msgspec


class Signed(msgspec.Struct, rename="camel"):
    write_key: str | None = None
