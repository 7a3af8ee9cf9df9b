"""What profile knows, told anew: `comeback retell profile`. Each action takes the next few and says where to go on."""

from services.profile import repository
from services.profile.actions.ordering import tell_orders
from services.profile.actions.telling import tell_customers
from services.profile.actions.visiting import tell_visits
from shared.clock import wall_micros
from shared.database import Session
from shared.events.profile import OrderPaid


async def retell_customers(session: Session, after: str, limit: int) -> tuple[int, str | None]:
    """The next customers and their paid orders have new versions, told as `order.paid` and `profile.updated`.

    A customer's orders go with them: who fills a lifecycle from half of them would see somebody fall silent who did
    not. `order.paid` says of every order what it is now, also of one that does not count any more.
    """
    customer_ids = await repository.list_next_customers(session, after, limit)
    if not customer_ids:
        return 0, None
    now = wall_micros()
    # Orders before customers, as batches lock them.
    tell_orders(session, await repository.renew_orders(session, customer_ids, now), OrderPaid)
    await tell_customers(session, await repository.renew_customers(session, customer_ids, now))
    return len(customer_ids), customer_ids[-1]


async def retell_visits(session: Session, after: str, limit: int) -> tuple[int, str | None]:
    """The next visits are told once more, each the same fact as the first time, in `visits.recorded`."""
    visits = await repository.list_visits(session, after, limit)
    tell_visits(session, visits)
    return len(visits), visits[-1].visit_id if visits else None
