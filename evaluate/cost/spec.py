"""Spec of cost: rates by which seconds and bytes become prices."""

from pydantic import Field, PositiveInt

from embed.base_spec import Spec


class CostSpec(Spec):
    """Rates are assumptions: set those of your own machines."""

    currency: str = Field(default="USD", min_length=1)
    core_hour: float = Field(default=0.04, ge=0, description="price of one CPU core for an hour")
    gb_month: float = Field(default=3.0, ge=0, description="price of a gigabyte of memory for a month: the index's")
    recordings: PositiveInt = Field(default=4, description="recordings that are encoded twice to measure a system")
    texts: PositiveInt = Field(default=32, description="texts likewise")
