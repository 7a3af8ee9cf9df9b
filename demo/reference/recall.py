"""The recall campaign: what becomes of every entry into silence at the tick that decides on it.

Called by demo.reference.compute after the lifecycle, whose table `stage_changes` it reads.
"""

from demo.reference.figures import Recall
from demo.reference.source import DAY_US, FIRST_TICK, LAST_TICK, NEW_YORK, Db, row

ATTRIBUTION_US = 14 * DAY_US
SAME_KIND_US = 7 * DAY_US
POSSESSION_CAP = 5
# The longest validity of a recall coupon for which AH1 is evaluated here; a shorter one can only refuse fewer.
RECALL_COUPON_US = 90 * DAY_US

_TICKS = f"""
CREATE TABLE ticks AS
SELECT epoch_us(midnight AT TIME ZONE '{NEW_YORK}') AS tick_us
FROM generate_series(TIMESTAMP '2016-11-14', TIMESTAMP '2018-01-01', INTERVAL 1 DAY) AS days(midnight)
UNION ALL SELECT epoch_us(TIMESTAMPTZ '{FIRST_TICK}') UNION ALL SELECT epoch_us(TIMESTAMPTZ '{LAST_TICK}')
"""

# Entered at an instant, decided at the next tick; whoever ordered in between is silent no more.
_ENTRIES = f"""
CREATE TABLE entries AS
SELECT household_id, at_us, tick_us, EXISTS (
    FROM orders o WHERE o.household_id = s.household_id AND o.at_us > s.at_us AND o.at_us <= tick_us) AS gone
FROM stage_changes s ASOF JOIN ticks ON tick_us >= at_us
WHERE to_stage = 'silent' AND at_us <= epoch_us(TIMESTAMPTZ '{LAST_TICK}')
"""

# A campaign that starts at this very tick comes after the recall: decisions of a tick are ranked by the instant of
# their cause, and silence began before the tick. Recalls of one household lie 30 d apart: never each other's AH2.
_ALLOWED = f"""
CREATE TABLE allowed AS
SELECT household_id, tick_us, EXISTS (
    FROM targeted t JOIN campaigns USING (campaign_id) WHERE t.household_id = e.household_id
        AND starts_us > tick_us - {SAME_KIND_US} AND starts_us < tick_us) AS refused_ah2
FROM entries e WHERE NOT gone
"""

# Coupons in hand: issued before the tick, still valid, without a redemption; recalls counted as if none were held out.
_IN_HAND = f"""
SELECT count(*) FILTER (in_hand >= {POSSESSION_CAP}) FROM (
    SELECT (SELECT count(*) FROM targeted t JOIN campaigns c USING (campaign_id)
            WHERE t.household_id = a.household_id AND starts_us < tick_us AND tick_us < ends_us
            AND NOT EXISTS (FROM redemptions r JOIN orders o USING (basket_id)
                WHERE r.campaign_id = c.campaign_id AND r.household_id = t.household_id AND o.at_us < tick_us))
        + (SELECT count(*) FROM allowed b WHERE b.household_id = a.household_id AND NOT b.refused_ah2
            AND b.tick_us < a.tick_us AND a.tick_us < b.tick_us + {RECALL_COUPON_US}) AS in_hand
    FROM allowed a WHERE NOT refused_ah2)
"""

_DELIVERED = f"""
SELECT count(*), count(DISTINCT household_id), count(*) FILTER (ordered),
    count(*) FILTER (closed), count(*) FILTER (closed AND ordered)
FROM (
    SELECT household_id, tick_us + {ATTRIBUTION_US} <= epoch_us(TIMESTAMPTZ '{LAST_TICK}') AS closed,
        EXISTS (FROM orders o WHERE o.household_id = a.household_id
            AND o.at_us >= tick_us AND o.at_us < tick_us + {ATTRIBUTION_US}) AS ordered
    FROM allowed a WHERE NOT refused_ah2)
"""


def compute_recall(db: Db) -> Recall:
    for table in (_TICKS, _ENTRIES, _ALLOWED):
        db.execute(table)
    entries, gone = row(db, "SELECT count(*), count(*) FILTER (gone) FROM entries")
    (refused_ah2,) = row(db, "SELECT count(*) FROM allowed WHERE refused_ah2")
    (refused_ah1,) = row(db, _IN_HAND)
    return Recall(entries, gone, refused_ah1, refused_ah2, *row(db, _DELIVERED))
