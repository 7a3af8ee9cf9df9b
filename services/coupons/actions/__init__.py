"""What coupons can do."""

from services.coupons.actions.deciding import note_decisions
from services.coupons.actions.expiring import expire_coupons
from services.coupons.actions.issuing import issue_coupons
from services.coupons.actions.ordering import note_paid_orders, redeem_paid_orders
from services.coupons.actions.redeeming import redeem, roll_back, validate
from services.coupons.actions.retelling import retell_answers, retell_coupons, retell_redemptions
from services.coupons.actions.templates import archive_template, change_template, create_template

__all__ = [
    "archive_template",
    "change_template",
    "create_template",
    "expire_coupons",
    "issue_coupons",
    "note_decisions",
    "note_paid_orders",
    "redeem",
    "redeem_paid_orders",
    "retell_answers",
    "retell_coupons",
    "retell_redemptions",
    "roll_back",
    "validate",
]
