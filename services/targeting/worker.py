"""Targeting's background process: consumers, decisions at ticks, relay."""

from services.targeting import actions
from services.targeting.consumers import consumers
from services.targeting.settings import Settings
from services.targeting.timers import on_tick
from shared import topics
from shared.database import Database
from shared.ids import Ids
from shared.process import run_worker
from shared.telemetry import configure
from shared.worker import Wiring

# What `comeback retell` goes through, by the table that it is in.
retellings = {
    "campaigns": actions.retell_campaigns,
    "decisions": actions.retell_decisions,
}


def main() -> None:
    settings = Settings()  # type: ignore[call-arg]
    configure("targeting", "worker", settings.log_level)
    run_worker(
        Wiring(
            service="targeting",
            bootstrap=settings.kafka_bootstrap,
            database=Database(settings.database_url, for_batches=True),
            consumers=consumers,
            decide=on_tick,
            tells=True,
            info={"ids": Ids(settings.secret)},
            session_seconds=settings.kafka_session_seconds,
        ),
        settings,
        topic=topics.TARGETING,
    )


if __name__ == "__main__":
    main()
