"""What profile can refuse."""

from shared.errors import NotFound


class CustomerNotFound(NotFound):
    code = "customer-not-found"
