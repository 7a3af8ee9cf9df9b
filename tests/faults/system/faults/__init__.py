"""Everything that may befall a system and leave its tables as they would be. Each fault says what it did.

A fault is given the ground and comes back when it is healed; one that could not happen fails. It lets the world go on
by some days while it is at work (`release`); the rest of its episode follows when it is over.
"""

from collections.abc import Awaitable, Callable

from tests.faults.system.faults import grouping, growing, killing, restoring, servers, truncating
from tests.faults.system.ground import Ground

Fault = Callable[[Ground], Awaitable[str]]

FAULTS: dict[str, Fault] = {
    "killed_in_a_batch": killing.killed_in_a_batch,
    "killed_after_commit": killing.killed_after_commit,
    "killed_before_outbox_delete": killing.killed_before_outbox_delete,
    "killed_in_the_clock": killing.killed_in_the_clock,
    "killed_at_random": killing.killed_at_random,
    "zombie": grouping.zombie,
    "zombie_in_a_batch": grouping.zombie_in_a_batch,
    "workers_added_and_removed": grouping.workers_added_and_removed,
    "group_deleted": grouping.group_deleted,
    "broker_killed": servers.broker_killed,
    "postgres_killed": servers.postgres_killed,
    "restored": restoring.restored,
    "topics_grown": growing.topics_grown,
    "grown_before_repetition": growing.grown_before_repetition,
    "log_truncated": truncating.log_truncated,
}
