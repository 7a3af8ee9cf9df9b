"""What coupons reads from the environment."""

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    possession_cap: int = Field(5, ge=0, description="AH1: unused and valid coupons that a customer may hold")
    same_kind_days: int = Field(7, ge=0, le=3650, description="AH2: days of 24 h between two coupons of one kind")
