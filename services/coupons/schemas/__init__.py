"""What callers of coupons' HTTP API send and get."""
