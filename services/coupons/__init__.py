"""coupons: what a coupon is worth, who was given one, and what it was used for."""
