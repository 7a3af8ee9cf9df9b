"""Where everything of one stack answers: on the servers it runs itself, or on those that were given to it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from deploy.local.names import SERVICES
from deploy.local.ports import HOST
from deploy.local.state import State


@dataclass(frozen=True)
class Given:
    """Servers that are there already; of a kind that is given, the stack starts none."""

    database_url: str | None = None  # an administrator's
    kafka_bootstrap: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Given":
        return cls(
            environment.get("COMEBACK_DATABASE_URL") or None,
            environment.get("COMEBACK_KAFKA_BOOTSTRAP") or None,
        )


class Addresses:
    def __init__(self, state: State, given: Given) -> None:
        self._state = state
        self._given = given

    @property
    def runs_postgres(self) -> bool:
        return self._given.database_url is None

    @property
    def runs_kafka(self) -> bool:
        """A shell that has loaded `comeback stack env` names our own broker: that is not a given one."""
        return self._given.kafka_bootstrap in (None, self._own_kafka)

    @property
    def _own_kafka(self) -> str:
        return f"{HOST}:{self._state.ports['kafka']}"

    @property
    def kafka(self) -> str:
        return self._given.kafka_bootstrap or self._own_kafka

    @property
    def admin(self) -> str:
        own = (
            f"postgresql://postgres:{self._state.passwords['postgres']}@{HOST}:{self._state.ports['postgres']}/postgres"
        )
        return self._given.database_url or own

    def database(self, service: str) -> str:
        server = urlsplit(self.admin)
        login = f"{service}:{quote(self._state.passwords[service])}"
        return urlunsplit(server._replace(netloc=f"{login}@{server.netloc.rpartition('@')[2]}", path=f"/{service}"))

    def http(self, service: str) -> str:
        return f"http://{HOST}:{self._state.ports[service]}"

    def worker_metrics(self, service: str) -> str:
        return f"http://{HOST}:{self._state.ports[f'{service}-worker']}/metrics"

    def environment(self) -> dict[str, str]:
        """What other programs need to talk to this stack."""
        return {
            "COMEBACK_API_KEY": self._state.api_key,
            **{f"COMEBACK_{name.upper()}_URL": self.http(name) for name in SERVICES},
            **{
                f"COMEBACK_{name.upper()}_WORKER_METRICS_URL": self.worker_metrics(name)
                for name in SERVICES
                if f"{name}-worker" in self._state.ports
            },
            "COMEBACK_KAFKA_BOOTSTRAP": self.kafka,
            **{f"COMEBACK_{name.upper()}_DATABASE_URL": self.database(name) for name in SERVICES},
        }
