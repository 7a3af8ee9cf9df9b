"""What segmentation can do."""

from services.segmentation.actions.filling import fill_segments
from services.segmentation.actions.recording import record_customers, record_orders
from services.segmentation.actions.retelling import retell_memberships, retell_stages
from services.segmentation.actions.segments import change_segment, create_segment, delete_segment
from services.segmentation.actions.settling import advance_customers, advance_piece

__all__ = [
    "advance_customers",
    "advance_piece",
    "change_segment",
    "create_segment",
    "delete_segment",
    "fill_segments",
    "record_customers",
    "record_orders",
    "retell_memberships",
    "retell_stages",
]
