"""The topics, as code: who writes each, and how it is kept."""

STOREFRONT_ORDERS = "storefront-orders"
STOREFRONT_VISITS = "storefront-visits"
STOREFRONT_IDENTITIES = "storefront-identities"
STOREFRONT = (STOREFRONT_ORDERS, STOREFRONT_VISITS, STOREFRONT_IDENTITIES)
PROFILE = "profile-events"
SEGMENTATION = "segmentation-events"
TARGETING = "targeting-events"
COUPONS = "coupons-events"
ALL = (*STOREFRONT, PROFILE, SEGMENTATION, TARGETING, COUPONS)

DEFAULT_PARTITIONS = 4
RETENTION_MS = 24 * 3600 * 1000
CONFIG = {
    # Records keep the broker's time of arrival: those stamped with history's time would be deleted at once.
    "message.timestamp.type": "LogAppendTime",
    "retention.ms": str(RETENTION_MS),
    "compression.type": "producer",
    "max.message.bytes": "1200000",
}


def writer_of(topic: str) -> str:
    """Whose events stand in it: a service's, or the storefront's."""
    return topic.partition("-")[0]
