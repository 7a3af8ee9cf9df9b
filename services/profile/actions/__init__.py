"""What profile can do."""

from services.profile.actions.ordering import cancel_orders, record_orders, refund_orders
from services.profile.actions.retelling import retell_customers, retell_visits
from services.profile.actions.telling import tell_profiles
from services.profile.actions.visiting import identify_customers, record_visits

__all__ = [
    "cancel_orders",
    "identify_customers",
    "record_orders",
    "record_visits",
    "refund_orders",
    "retell_customers",
    "retell_visits",
    "tell_profiles",
]
