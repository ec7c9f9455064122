"""Fields that requests and answers of several services have."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, ConfigDict, Field

from shared.identity import is_reference


def _reference(text: str) -> str:
    if not is_reference(text):
        raise ValueError("not a plain reference")
    return text


Reference = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_reference)]
RegionCode = Annotated[str, Field(pattern=r"^[0-9]{6}$", examples=["350100"])]
UsccText = Annotated[str, Field(pattern="^[0-9A-Z]{18}$", examples=["91350100MA2Y00001H"])]
After = Annotated[int, Query(ge=0, lt=1 << 62, description="上一页的 next / `next` of the page before")]


def example(**values: Any) -> ConfigDict:
    """A model that takes no further fields, with an example for OpenAPI."""
    return ConfigDict(extra="forbid", json_schema_extra={"example": values})
