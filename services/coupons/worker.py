"""Coupons' background process: consumers, timers and relay."""

from datetime import timedelta

from services.coupons import actions
from services.coupons.consumers import consumers
from services.coupons.domain import Limits
from services.coupons.settings import Settings
from services.coupons.timers import on_tick
from shared import topics
from shared.database import Database
from shared.ids import Ids
from shared.process import run_worker
from shared.telemetry import configure
from shared.worker import Wiring

# What `comeback retell` goes through, by the table that it is in.
retellings = {
    "coupons": actions.retell_coupons,
    "known_decisions": actions.retell_answers,
    "redemptions": actions.retell_redemptions,
}


def main() -> None:
    settings = Settings()  # type: ignore[call-arg]
    configure("coupons", "worker", settings.log_level)
    limits = Limits(settings.possession_cap, timedelta(days=settings.same_kind_days))
    run_worker(
        Wiring(
            service="coupons",
            bootstrap=settings.kafka_bootstrap,
            database=Database(settings.database_url, for_batches=True),
            consumers=consumers,
            decide=on_tick,
            tells=True,
            info={"ids": Ids(settings.secret), "limits": limits},
            session_seconds=settings.kafka_session_seconds,
        ),
        settings,
        topic=topics.COUPONS,
    )


if __name__ == "__main__":
    main()
