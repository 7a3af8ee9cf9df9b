"""What a check is, and the two kinds that most are: over rows of one database, and over rows of two side by side."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Protocol

from tools.verify.system import View

_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Finding:
    """How many rows were compared, and the first that is wrong; or why none were."""

    compared: int = 0
    wrong: str | None = None
    skipped: str | None = None


class Check(Protocol):
    @property
    def invariant(self) -> str: ...

    @property
    def what(self) -> str: ...

    async def run(self, view: View) -> Finding: ...


@dataclass(frozen=True, slots=True)
class Within:
    """Every row of `rows`, in the databases of these services; `wrong` is a condition on its columns."""

    invariant: str
    what: str
    services: tuple[str, ...]
    rows: str
    wrong: str

    async def run(self, view: View) -> Finding:
        compared = 0
        for service in self.services:
            count, found = await view.databases[service].fetchrow(
                f"""WITH checked AS MATERIALIZED ({self.rows})
                    SELECT (SELECT count(*) FROM checked),
                           (SELECT row_to_json(checked)::text FROM checked WHERE {self.wrong} ORDER BY 1 LIMIT 1)"""
            )
            compared += count
            if found is not None:
                return Finding(compared, f"{service}: {found}")
        return Finding(compared)


@dataclass(frozen=True, slots=True)
class Side:
    service: str
    rows: str


@dataclass(frozen=True, slots=True)
class Between:
    """Every row of `left` is on the right, the same; with `both`, the right has no other. Columns have equal names.

    Only of a system at rest: else what the left has told may still be on its way."""

    invariant: str
    what: str
    key: tuple[str, ...]
    left: Side
    right: Side
    both: bool = False

    async def run(self, view: View) -> Finding:
        if view.moving and not view.must_be_drained:
            return Finding(skipped=f"the system is moving: {view.moving[0]}")
        left = self._rows(view, self.left)
        right = self._rows(view, self.right)
        try:
            return await self._merge(left, right)
        finally:
            await left.aclose()
            await right.aclose()

    async def _rows(self, view: View, side: Side) -> AsyncGenerator[Any]:
        # In the order in which Python compares texts, whatever the database's own is.
        order = ", ".join(f'{name} COLLATE "C"' for name in self.key)
        cursor = await view.databases[side.service].cursor(f"SELECT * FROM ({side.rows}) AS told ORDER BY {order}")
        while chunk := await cursor.fetch(_CHUNK):
            for row in chunk:
                yield row

    async def _merge(self, left: AsyncIterator[Any], right: AsyncIterator[Any]) -> Finding:
        key = itemgetter(*self.key)
        compared = 0
        there = await anext(right, None)
        async for here in left:
            compared += 1
            wanted = key(here)
            while there is not None and key(there) < wanted:
                if self.both:
                    return Finding(compared, self._alone(there, self.right, self.left))
                there = await anext(right, None)
            if there is None or key(there) != wanted:
                return Finding(compared, self._alone(here, self.left, self.right))
            if here != there:
                return Finding(compared, self._differing(here, there))
            there = await anext(right, None)
        if self.both and there is not None:
            return Finding(compared, self._alone(there, self.right, self.left))
        return Finding(compared)

    def _alone(self, row: Any, has: Side, lacks: Side) -> str:
        return f"{_written(row, self.key)} is in {has.service} and not in {lacks.service}"

    def _differing(self, here: Any, there: Any) -> str:
        names = [name for name in here.keys() if here[name] != there[name]]  # noqa: SIM118
        return (
            f"{_written(here, self.key)}: {self.left.service} has {_written(here, names)}, "
            f"{self.right.service} has {_written(there, names)}"
        )


def _written(row: Any, names: Iterable[str]) -> str:
    return ", ".join(f"{name}={row[name]}" for name in names)
