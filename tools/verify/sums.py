"""I2: what profile counts of its customers and orders equals the sums over the facts that it counted."""

from tools.verify.checks import Check, Within

_TOTAL_GIVEN_BACK = """
CASE WHEN refunds_all OR cancelled_at IS NOT NULL THEN coalesce(total, 0)
     ELSE least(coalesce(total, 0), refund_total) END
"""
# Orders with what was given back of each, by the rule of services/profile/domain.py, said once more in SQL.
ORDERS = f"SELECT *, {_TOTAL_GIVEN_BACK} AS refunded_amount FROM orders"


def _profile(what: str, rows: str, wrong: str) -> Check:
    return Within("I2", what, ("profile",), rows, wrong)


def checks() -> list[Check]:
    return [
        _profile(
            "customers' orders, first and last one = their counted orders",
            """SELECT customer_id, c.orders, coalesce(o.orders, 0) AS summed, c.first_order_at, o.first_at,
                      c.last_order_at, o.last_at
               FROM customers AS c FULL JOIN (
                   SELECT customer_id, count(*) FILTER (WHERE counted) AS orders,
                          min(paid_at) FILTER (WHERE counted) AS first_at,
                          max(paid_at) FILTER (WHERE counted) AS last_at
                   FROM orders GROUP BY customer_id) AS o USING (customer_id)""",
            "(orders, first_order_at, last_order_at) IS DISTINCT FROM (summed, first_at, last_at)",
        ),
        _profile(
            "customers' visits, first and last one = their visits",
            """SELECT customer_id, c.visits, coalesce(v.visits, 0) AS summed, c.first_visit_at, v.first_at,
                      c.last_visit_at, v.last_at
               FROM customers AS c FULL JOIN (
                   SELECT customer_id, count(*) AS visits, min(visited_at) AS first_at, max(visited_at) AS last_at
                   FROM visits GROUP BY customer_id) AS v USING (customer_id)""",
            "(visits, first_visit_at, last_visit_at) IS DISTINCT FROM (summed, first_at, last_at)",
        ),
        _profile(
            "customers' spend by currency = their counted orders less what was given back",
            f"""SELECT customer_id, currency, coalesce(s.orders, 0) AS orders, coalesce(o.orders, 0) AS summed_orders,
                       coalesce(s.paid_amount, 0) AS paid_amount, coalesce(o.paid_amount, 0) AS summed_amount
                FROM customer_spend AS s FULL JOIN (
                    SELECT customer_id, currency, count(*) AS orders, sum(total - refunded_amount) AS paid_amount
                    FROM ({ORDERS}) AS o WHERE counted GROUP BY customer_id, currency) AS o
                USING (customer_id, currency)""",
            "(orders, paid_amount) IS DISTINCT FROM (summed_orders, summed_amount)",
        ),
        _profile(
            "orders count while they are paid, not cancelled and not wholly given back",
            f"""SELECT order_key, counted, total, currency, paid_at, cancelled_at, refunds, refunded_amount
                FROM ({ORDERS}) AS o""",
            """counted IS DISTINCT FROM (paid_at IS NOT NULL AND total IS NOT NULL AND currency IS NOT NULL
               AND cancelled_at IS NULL AND NOT (refunds > 0 AND refunded_amount >= total))""",
        ),
        _profile(
            "orders' refunds = the sum of their refunds",
            """SELECT order_key, coalesce(o.refunds, 0) AS refunds, coalesce(r.refunds, 0) AS summed,
                      coalesce(o.refund_total, 0) AS refund_total, coalesce(r.total, 0) AS summed_total,
                      coalesce(o.refunds_all, false) AS refunds_all, coalesce(r.rest, false) AS summed_all
               FROM orders AS o FULL JOIN (
                   SELECT order_key, count(*) AS refunds, bool_or(amount IS NULL) AS rest,
                          least(coalesce(sum(amount), 0), 9007199254740991)::bigint AS total
                   FROM refunds GROUP BY order_key) AS r USING (order_key)""",
            "(refunds, refund_total, refunds_all) IS DISTINCT FROM (summed, summed_total, summed_all)",
        ),
    ]
