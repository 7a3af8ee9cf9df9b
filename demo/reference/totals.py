"""Totals of the year and the month table in New York time. Called by demo.reference.compute."""

from demo.reference.figures import Month, Totals
from demo.reference.source import Db, row, rows

_TOTALS = """
SELECT count(DISTINCT household_id), count(*), count(DISTINCT store_id), sum(sales_cents)::BIGINT,
    sum(platform_cents)::BIGINT, sum(merchant_cents)::BIGINT, count(*) FILTER (sales_cents = 0),
    avg(sales_cents), median(sales_cents)
FROM orders
"""

# The year ends in New York: orders of the first hours of 2018 in UTC belong to December.
_MONTHS = """
SELECT strftime(ny_day, '%Y-%m') AS month, count(*), count(DISTINCT household_id), sum(sales_cents)::BIGINT
FROM orders GROUP BY month ORDER BY month
"""


def compute_totals(db: Db) -> Totals:
    return Totals(*row(db, _TOTALS))


def compute_months(db: Db) -> list[Month]:
    return [Month(*month) for month in rows(db, _MONTHS)]
