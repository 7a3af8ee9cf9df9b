"""How the database is to plan questions that look at very many rows."""

from shared.database import ReadSession, fetch

# For the very values asked for, in memory and on more than one core. In UTC a day has 24 hours.
_SETTINGS = """
SELECT set_config('work_mem', '64MB', true), set_config('max_parallel_workers_per_gather', '2', true),
       set_config('plan_cache_mode', 'force_custom_plan', true), set_config('TimeZone', 'UTC', true),
       set_config('random_page_cost', $1, true)
"""


async def plan_for_many(session: ReadSession, *, by_index: bool = False) -> None:
    """Holds until the transaction ends. `by_index` prefers indexes that alone hold the answer."""
    await fetch(session, _SETTINGS, "1.1" if by_index else "4")
