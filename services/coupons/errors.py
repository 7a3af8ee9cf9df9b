"""What coupons can refuse."""

from shared.errors import Conflict, Invalid, NotFound


class TemplateNotFound(NotFound):
    code = "template-not-found"


class TemplateArchived(Conflict):
    code = "template-archived"


class TemplateInvalid(Invalid):
    code = "template-invalid"


class CouponNotFound(NotFound):
    code = "coupon-not-found"


class RedemptionNotFound(NotFound):
    code = "redemption-not-found"


class UseRefused(Invalid):
    """A rule forbids this use of the coupon; the code says which."""

    codes = (
        "coupon-already-redeemed",
        "coupon-expired",
        "coupon-not-active-yet",
        "currency-mismatch",
        "discount-not-expected",
        "discount-required",
        "minimum-spend-not-met",
        "quantity-exceeded",
        "shop-not-eligible",
        "wrong-customer",
    )


class UseTaken(Conflict):
    """Somebody else was faster, or this order has used the coupon in another way."""

    code = "coupon-already-redeemed"


class AlreadyRolledBack(Conflict):
    code = "already-rolled-back"
