"""Profile's background process: consumers, relay, and the ticker when the clock is the wall's."""

from services.profile import actions
from services.profile.consumers import consumers
from services.profile.settings import Settings
from services.profile.timers import on_tick
from shared import topics
from shared.database import Database
from shared.ids import Ids
from shared.kafka import Producer
from shared.process import run_worker
from shared.telemetry import configure
from shared.ticker import Ticker
from shared.worker import Wiring

# What `comeback retell` goes through, by the table that it is in.
retellings = {
    "customers": actions.retell_customers,
    "visits": actions.retell_visits,
}


def main() -> None:
    settings = Settings()  # type: ignore[call-arg]
    configure("profile", "worker", settings.log_level)
    database = Database(settings.database_url, for_batches=True)

    async def tick(producer: Producer) -> None:
        await Ticker(database, producer, topics.STOREFRONT).run()

    run_worker(
        Wiring(
            service="profile",
            bootstrap=settings.kafka_bootstrap,
            database=database,
            consumers=consumers,
            decide=on_tick,
            tells=True,
            info={"ids": Ids(settings.secret)},
            session_seconds=settings.kafka_session_seconds,
        ),
        settings,
        topic=topics.PROFILE,
        extra=tick if settings.clock == "wall" else None,
    )


if __name__ == "__main__":
    main()
