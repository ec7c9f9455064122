"""What comes and goes over HTTP, with bounds and an example each.

Answers are read models' rows as they are, without a model: a replay holds up to 2,000 facts as their own bytes.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

ClaimId = Annotated[UUID, Path(examples=["0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001"])]
Reason = Annotated[
    str,
    Query(
        max_length=32,
        description="查阅原因 / a reason code shows names to auditors",
        examples=["CASE_REVIEW"],
    ),
]
State = Literal[
    "CLAIMED", "ACCEPTED", "FIRST_REVIEWED", "RE_REVIEWED", "PUBLICISED", "APPROVED", "ORDERED", "PAY_FAILED",
    "PAID", "REFUSED",
]  # fmt: skip


class ClaimFilter(BaseModel):
    """Which claims, and from where on: `after` is the `next` of the page before."""

    model_config = ConfigDict(extra="forbid")
    state: State | None = None
    region: str | None = Field(None, pattern="^[0-9]{6}$", examples=["350100"])
    institution: str | None = Field(None, pattern="^[0-9A-Z]{18}$", examples=["91350100MA2Y00001H"])
    certificate_id: UUID | None = None
    after: int = Field(-1, ge=-1, le=1 << 62)
    limit: int = Field(50, ge=1, le=200)

    def filters(self) -> dict[str, str]:
        """Column to value."""
        named = self.model_dump(
            include={"state", "region", "institution", "certificate_id"}, exclude_none=True
        )
        return {name: str(value) for name, value in named.items()}


class Duties(BaseModel):
    """What a handler's token may carry."""

    handler_id: str
    duties: list[str]
    active: bool


class Worklist(BaseModel):
    """What waits for a handler. Nothing in audit does yet."""

    items: list[dict[str, str]] = Field(examples=[[]], max_length=100)
    next: str | None = Field(examples=[None])


def _example(answer: Any) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"example": answer}}, "description": "JSON"}}


_CLAIM = {
    "claim_id": "0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001",
    "state": "PAID",
    "paid_fen": 70000,
    "place": 812,
}
_FACTS = [{"index": 812, "leaf_hash": "9f2c…", "fact": {"type": "zeren.payment.SubsidyClaimed.v1"}}]
_LINK = {
    "role": "CHECKED",
    "duty": "D8",
    "actor": {
        "kind": "handler",
        "id": "h-008",
        "name": "林某",
        "post": "受理岗",
        "organisation": "某县人社局",
    },
    "first_on": "2024-06-05",
    "last_on": "2024-06-05",
    "facts": [{"index": 901, "fact_id": "6d1f2f0e-…", "type": "zeren.payment.ClaimAccepted.v1"}],
}
_REGION = {"region": "350128", "zh": "平潭", "target": 100, "enrolled": 3, "certified": 2, "paid_fen": 140000}

_SPAN = {
    "trace": "0af7651916cd43dd8448eb211c80319c",
    "span": "b7ad6b7169203331",
    "parent": "",
    "service": "enrolment",
    "name": "process zeren.enrolment.intake.v1",
    "kind": "CONSUMER",
    "start_ns": 1_732_600_000_000_000_000,
    "end_ns": 1_732_600_000_004_000_000,
    "attributes": {"messaging.system": "kafka", "zeren.outcome": "accepted", "zeren.facts": 2},
    "links": [],
    "error": "",
}

SPANS = _example({"spans": [_SPAN], "days": 7, "since": "2024-11-20T08:00:00Z", "complete": True})
STREAM_FACTS = _example({"facts": _FACTS, "total": 1})
CLAIMS = _example({"items": [_CLAIM], "next": None})
REPLAY = _example({"claim": _CLAIM, "facts": _FACTS, "total": 1, "next": None, "traces": [], "people": {}})
RESPONSIBILITY = _example({"claim": _CLAIM, "links": [_LINK], "named": True})
PROGRESS = _example(
    {"year": 2024, "regions": [_REGION], "total": {"target": 100, "enrolled": 3}, "as_of": 1204}
)
