"""The default lifecycle model of domain.md section 15, recomputed naively: every instant at which a stage could
change is a candidate, and at each the definition is evaluated with counts over half-open windows.

Called by demo.reference.compute; leaves the table `stage_changes` for the recall figures.
"""

from demo.reference.figures import Lifecycle, StageCounts, Transition
from demo.reference.source import DAY_US, LAST_TICK, Db, row, rows

COUNTED_AT = ("2017-02-01", "2017-03-01", "2017-05-01", "2017-07-01", "2017-10-01", "2018-01-01")
STAGES = ("new", "rising", "mature", "declining", "silent", "churned")
_30_DAYS, _60_DAYS, _90_DAYS = 30 * DAY_US, 60 * DAY_US, 90 * DAY_US

# An order exactly 90 d after the last one (the set has none) finds nobody churned: at that instant it is itself the
# last order. Hence `>`.
_CYCLES = f"""
CREATE TABLE cycles AS
WITH instants AS (SELECT household_id, at_us, count(*) AS orders FROM orders GROUP BY ALL),
gaps AS (
    SELECT *, lag(at_us) OVER (PARTITION BY household_id ORDER BY at_us) AS before_us FROM instants
)
SELECT household_id, at_us, orders, before_us IS NOT NULL AND at_us - before_us > {_90_DAYS} AS reacquired,
    max(at_us) FILTER (before_us IS NULL OR at_us - before_us > {_90_DAYS})
        OVER (PARTITION BY household_id ORDER BY at_us) AS cycle_us
FROM gaps
"""

# An order at t counts in the last d during [t, t + d): seen from now, the orders in (now - d, now].
_STAGES = f"""
CREATE TABLE stage_changes AS
WITH candidates AS (
    SELECT DISTINCT household_id, at_us + after_us AS at_us
    FROM cycles, (VALUES (0), ({_30_DAYS}), ({_60_DAYS}), ({_90_DAYS})) AS later(after_us)
), seen AS (
    SELECT household_id, candidates.at_us, coalesce(orders, 0) AS orders, cycles.at_us AS order_us, cycle_us
    FROM candidates LEFT JOIN cycles USING (household_id, at_us)
), facts AS (
    SELECT household_id, at_us, max(order_us) OVER past AS last_us, max(cycle_us) OVER past AS cycle_us,
        sum(orders) OVER (PARTITION BY household_id ORDER BY at_us
            RANGE BETWEEN {_30_DAYS - 1} PRECEDING AND CURRENT ROW) AS last_30,
        sum(orders) OVER (PARTITION BY household_id ORDER BY at_us
            RANGE BETWEEN {_60_DAYS - 1} PRECEDING AND CURRENT ROW) AS last_60
    FROM seen
    WINDOW past AS (PARTITION BY household_id ORDER BY at_us ROWS UNBOUNDED PRECEDING)
), staged AS (
    SELECT household_id, at_us, CASE
        WHEN last_30 > 5 THEN 'mature'
        WHEN at_us < cycle_us + {_30_DAYS} THEN 'new'
        WHEN at_us < last_us + {_30_DAYS} AND last_30 < last_60 - last_30 THEN 'declining'
        WHEN at_us < last_us + {_30_DAYS} THEN 'rising'
        WHEN at_us >= last_us + {_90_DAYS} THEN 'churned'
        ELSE 'silent' END AS to_stage
    FROM facts
)
SELECT household_id, at_us, lag(to_stage) OVER (PARTITION BY household_id ORDER BY at_us) AS from_stage, to_stage
FROM staged QUALIFY from_stage IS DISTINCT FROM to_stage
"""

_TOLD = f"FROM stage_changes WHERE at_us <= epoch_us(TIMESTAMPTZ '{LAST_TICK}')"

_COUNTS = """
SELECT stage, count(*) FROM (
    SELECT arg_max(to_stage, at_us) AS stage FROM stage_changes
    WHERE at_us <= epoch_us(TIMESTAMPTZ '{at}') GROUP BY household_id)
GROUP BY stage
"""


def compute_lifecycle(db: Db) -> Lifecycle:
    build_stage_changes(db)
    transitions = [Transition(*found) for found in rows(db, _transitions())]
    entries, customers = row(db, f"SELECT count(*), count(DISTINCT household_id) {_TOLD} AND to_stage = 'silent'")
    (reacquired,) = row(db, "SELECT count(*) FROM cycles WHERE reacquired")
    counts = [_count_stages(db, day) for day in COUNTED_AT]
    return Lifecycle(counts, sum(each.count for each in transitions), transitions, entries, customers, reacquired)


def build_stage_changes(db: Db) -> None:
    """From the table `orders` (household_id, at_us) to the table `stage_changes`, also beyond the last tick."""
    db.execute(_CYCLES)
    db.execute(_STAGES)


def _transitions() -> str:
    return f"SELECT from_stage, to_stage, count(*) {_TOLD} GROUP BY ALL ORDER BY from_stage NULLS FIRST, to_stage"


def _count_stages(db: Db, day: str) -> StageCounts:
    at = f"{day}T00:00:00Z"
    found = dict(rows(db, _COUNTS.format(at=at)))
    (households,) = row(db, "SELECT count(DISTINCT household_id) FROM orders")
    return StageCounts(at, {stage: found.get(stage, 0) for stage in STAGES}, households - sum(found.values()))
