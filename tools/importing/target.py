"""Where an import goes: the stack in COMEBACK_HOME, with the servers that the environment names."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from deploy.local.errors import StackError
from shared.clock import wall
from tools.asking import the_stack
from tools.importing.problems import Unclear


@dataclass(frozen=True, slots=True)
class Target:
    """`name` tells this stack from every other; `clock` says what makes time pass in it."""

    name: str
    bootstrap: str
    metrics_url: str
    api_key: str
    clock: str
    journals: Path
    until: datetime | None

    @classmethod
    def here(cls, until: datetime | None) -> Self:
        """Raises StackError when there is none, Unclear when `until` is not for it to say."""
        stack = the_stack()
        environment, state = stack.environment(), stack.home.load()
        if state is None:
            raise StackError("There is no stack here: start one with `comeback stack up`.")
        if until is not None and state.clock != "stream":
            raise Unclear("--until", "is for a stack whose time a replay makes pass; here the wall clock does")
        at = until.replace(tzinfo=UTC) if until is not None else None
        if at is not None and at > wall():
            raise Unclear("--until", f"{at.isoformat()} lies in the future")
        return cls(
            state.kafka_id,
            environment["COMEBACK_KAFKA_BOOTSTRAP"],
            environment["COMEBACK_METRICS_URL"],
            environment["COMEBACK_API_KEY"],
            state.clock,
            stack.home.folder / "imports",
            at,
        )
