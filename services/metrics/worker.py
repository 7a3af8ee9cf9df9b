"""Metrics' background process: consumers only. It tells nothing, so there is no relay."""

from services.metrics.consumers import consumers
from services.metrics.settings import Settings
from services.metrics.timers import on_tick
from shared.database import Database
from shared.ids import Ids
from shared.process import run_worker
from shared.telemetry import configure
from shared.worker import Wiring


def main() -> None:
    settings = Settings()  # type: ignore[call-arg]
    configure("metrics", "worker", settings.log_level)
    run_worker(
        Wiring(
            service="metrics",
            bootstrap=settings.kafka_bootstrap,
            database=Database(settings.database_url, for_batches=True),
            consumers=consumers,
            decide=on_tick,
            tells=False,
            info={"ids": Ids(settings.secret)},
            session_seconds=settings.kafka_session_seconds,
        ),
        settings,
        topic=None,
    )


if __name__ == "__main__":
    main()
