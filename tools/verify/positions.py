"""I1, I7, I8, I9, I13: how far everybody has read, what their clocks say, what waits to leave and what was parked."""

from collections.abc import Callable
from dataclasses import dataclass

from deploy.local.names import SERVICES
from tools.verify.checks import Check, Finding, Within
from tools.verify.system import CLOCKED, TOLD_BY, View


@dataclass(frozen=True, slots=True)
class Stated:
    """What a function finds in what was read already."""

    invariant: str
    what: str
    find: Callable[[View], Finding]

    async def run(self, view: View) -> Finding:
        return self.find(view)


def _at_the_end(view: View) -> Finding:
    compared = sum(len(positions) for positions in view.positions.values())
    if not view.must_be_drained:
        return Finding(skipped="only with --drained")
    if view.log.answers:
        return Finding(compared, view.moving[0] if view.moving else None)
    return Finding(compared, view.moving[1]) if len(view.moving) > 1 else Finding(skipped=view.moving[0])


def _within_the_log(view: View) -> Finding:
    if not view.log.answers:
        return Finding(skipped="Kafka does not answer")
    compared = 0
    for service, positions in view.positions.items():
        for (topic, number), position in sorted(positions.items()):
            compared += 1
            end = view.ends.get((topic, number), 0)
            if position > end:
                return Finding(compared, f"{service}: next_offset {position} of {topic}/{number}, which ends at {end}")
    return Finding(compared)


def _committed(view: View) -> Finding:
    if not view.log.answers:
        return Finding(skipped="Kafka does not answer")
    compared = 0
    for service, offsets in view.log.committed.items():
        for (topic, number), offset in sorted(offsets.items()):
            compared += 1
            position = view.positions[service].get((topic, number), 0)
            if offset > position:
                place = f"{topic}/{number}"
                return Finding(compared, f"{service}: the group committed {offset} of {place}, applied {position}")
    return Finding(compared)


def _behind_their_tellers(view: View) -> Finding:
    compared = 0
    for service, heard in CLOCKED.items():
        for teller in (TOLD_BY[topic] for topic in heard if topic in TOLD_BY):
            compared += 1
            here, there = view.clocks[service], view.clocks[teller]
            if here > there:
                return Finding(compared, f"{service}: its clock {here} is ahead of {teller}'s {there}")
    return Finding(compared)


def checks() -> list[Check]:
    return [
        Within(
            "I1",
            "first_offset + applied + parked + ticks = next_offset of each partition read",
            SERVICES,
            "SELECT topic, partition, first_offset, applied, parked, ticks, next_offset FROM inbox",
            "first_offset + applied + parked + ticks <> next_offset",
        ),
        Stated("I1", "no position is beyond the end of its log", _within_the_log),
        Stated("I1", "everything is read to its end, and all clocks are equal", _at_the_end),
        *(
            Within(
                "I7",
                f"the clock of {service} is not ahead of the ticks it has read",
                (service,),
                f"""SELECT clock.at, min(tick_at) AS lowest_tick FROM clock LEFT JOIN inbox
                    ON topic IN ({", ".join(f"'{topic}'" for topic in heard)}) GROUP BY clock.at""",
                # Before the first tick a clock stands at its beginning.
                "at > coalesce(lowest_tick, '0001-01-02Z')",
            )
            for service, heard in CLOCKED.items()
        ),
        Stated("I7", "no clock is ahead of the clock of a service it listens to", _behind_their_tellers),
        Within(
            "I8",
            "no row of an outbox is older than --max-age",
            SERVICES,
            """SELECT outbox_id, created_at, events,
                      extract(epoch FROM now() - created_at)::float8 AS seconds FROM outbox""",
            "seconds > current_setting('comeback.max_age')::float8",
        ),
        Stated("I9", "no group has committed to Kafka what its service has not applied", _committed),
        Within(
            "I13",
            "each parked record has a reason, and a place among what was read",
            SERVICES,
            """SELECT parked.topic, partition, record_offset, reason, first_offset, next_offset
               FROM parked LEFT JOIN inbox USING (topic, partition)""",
            # Events refused at the HTTP door never had a place in a log.
            """trim(reason) = '' OR record_offset < 0 OR (topic <> 'http' AND
               (record_offset >= first_offset AND record_offset < next_offset) IS NOT TRUE)""",
        ),
        Within(
            "I13",
            "as many records are parked as each partition has counted",
            SERVICES,
            """SELECT topic, partition, inbox.parked AS counted,
                      (SELECT count(*) FROM parked AS p WHERE (p.topic, p.partition) = (inbox.topic, inbox.partition))
                      AS kept FROM inbox""",
            "counted <> kept",
        ),
    ]
