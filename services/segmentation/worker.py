"""Segmentation's background process: consumers, decisions at ticks, and the relay."""

from services.segmentation import actions
from services.segmentation.consumers import consumers
from services.segmentation.settings import Settings
from services.segmentation.timers import on_piece, on_tick
from shared import topics
from shared.database import Database
from shared.ids import Ids
from shared.process import run_worker
from shared.telemetry import configure
from shared.worker import Wiring

# What `comeback retell` goes through, by the table that it is in.
retellings = {
    "lifecycle_states": actions.retell_stages,
    "memberships": actions.retell_memberships,
}


def main() -> None:
    settings = Settings()  # type: ignore[call-arg]
    configure("segmentation", "worker", settings.log_level)
    run_worker(
        Wiring(
            service="segmentation",
            bootstrap=settings.kafka_bootstrap,
            database=Database(settings.database_url, for_batches=True),
            consumers=consumers,
            decide=on_tick,
            decide_piece=on_piece,
            tells=True,
            info={"ids": Ids(settings.secret), "tick_piece": settings.tick_piece},
            session_seconds=settings.kafka_session_seconds,
        ),
        settings,
        topic=topics.SEGMENTATION,
    )


if __name__ == "__main__":
    main()
