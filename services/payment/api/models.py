"""What comes and goes over HTTP, with bounds and an example each."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from services.payment.domain.claim_state import Stage
from services.payment.domain.payment_batch import MAX_CLAIMS
from shared.access.answers import Problem
from shared.access.fields import Reference, RegionCode, UsccText, example

MAX_PAGE = 200


Action = Literal["accept", "first_review", "re_review", "publicise", "approve", "refuse"]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="本页至多多少条 / at most so many items")]
WantedStage = Annotated[Stage | None, Query(description="环节 / stage")]
WantedRegion = Annotated[str, Query(pattern="^([0-9]{6})?$", description="区域代码 / region")]
WantedClaimant = Annotated[str, Query(max_length=64, description="申领人编号或机构代码 / claimant")]

_CLAIM_ID = "9d0f2a4c-36d4-5f3e-9c55-0f6f3d2b7a10"
_FACT_ID = "6d1f2f0e-4c39-5a52-9a26-3f0d0b3d8f11"


class NewAccount(BaseModel):
    """The account to be paid to. It goes to the vault and nowhere else."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    number: str = Field(pattern="^[0-9A-Za-z][0-9A-Za-z -]{5,39}$", repr=False)
    holder: str = Field(min_length=1, max_length=64, repr=False)
    bank: str = Field(min_length=1, max_length=64)


class NewClaim(BaseModel):
    """A person's claim on their own certificate."""

    model_config = example(
        application_ref="SQ-2024-001",
        certificate_id="3d5f6d5e-3f0e-5a1c-9a3f-1f7b8c0d2e11",
        account={"number": "6222000000000000001", "holder": "某某", "bank": "某某银行厦门支行"},
    )

    application_ref: Reference
    certificate_id: UUID
    account: NewAccount


class ClaimFiled(BaseModel):
    """`already`: this application was filed before. `marks` belong to the amount: never leave them out."""

    model_config = example(
        claim_id=_CLAIM_ID,
        outcome="done",
        computed_fen=84000,
        computed="¥840.00",
        marks=["演示 / DEMO"],
        facts=[_FACT_ID],
    )

    claim_id: str
    outcome: Literal["done", "already"]
    computed_fen: int
    computed: str
    marks: list[str]
    facts: list[str]


class ClaimDecision(BaseModel):
    """One claim of a bulk decision; `reasons` are codes of the catalogue, needed where it is refused."""

    model_config = ConfigDict(extra="forbid")

    claim_id: UUID
    reasons: list[Annotated[str, Field(pattern=r"^[a-z_]{1,32}\.[a-z_]{1,48}$")]] = Field(
        default=[], max_length=8
    )


class Decisions(BaseModel):
    """One action on many claims, each decided for itself."""

    model_config = example(action="accept", claims=[{"claim_id": _CLAIM_ID}])

    action: Action
    claims: list[ClaimDecision] = Field(min_length=1, max_length=MAX_CLAIMS)


class ClaimOutcome(BaseModel):
    """`already`: it was so before. `code` says why a claim was refused."""

    claim_id: str
    outcome: Literal["done", "already", "refused"]
    code: str = ""
    facts: list[str] = []


class Outcomes(BaseModel):
    """In the order of the request."""

    model_config = example(
        outcomes=[{"claim_id": _CLAIM_ID, "outcome": "done", "code": "", "facts": [_FACT_ID]}]
    )

    outcomes: list[ClaimOutcome]


class NewBatch(BaseModel):
    """A payment batch: approved claims of one region, to be paid by one bank."""

    model_config = example(region="350200", bank="91350100MA2YBANK07", claims=[_CLAIM_ID])

    region: RegionCode
    bank: UsccText
    claims: list[UUID] = Field(min_length=1, max_length=MAX_CLAIMS)


class BatchCreated(BaseModel):
    """The batch holds the claims whose outcome is `done`; the others stay where they are."""

    model_config = example(
        batch_id="a3c5a7f4-57b8-5a29-8a2e-2f3c7f6f0b21",
        region="350200",
        bank="91350100MA2YBANK07",
        total_fen=84000,
        total="¥840.00",
        facts=[_FACT_ID],
        outcomes=[{"claim_id": _CLAIM_ID, "outcome": "done", "code": "", "facts": [_FACT_ID]}],
    )

    batch_id: str
    region: str
    bank: str
    total_fen: int
    total: str
    facts: list[str]
    outcomes: list[ClaimOutcome]


class NoBatch(Problem):
    """`batch.empty`: no claim of the request may be paid by the caller; each outcome says why; else a plain one."""

    model_config = example(
        code="batch.empty",
        zh="批次没有申领",
        en="The batch holds no claim",
        field="claims",
        outcomes=[{"claim_id": _CLAIM_ID, "outcome": "refused", "code": "batch.payer_reviewed", "facts": []}],
    )

    outcomes: list[ClaimOutcome] = Field(default=[])


_CLAIM: dict[str, Any] = {
    "claim_id": _CLAIM_ID,
    "application_id": "0c1de8f5-8e1a-5d63-8a59-77f0f3f6f7aa",
    "line": 1,
    "person_id": "d6a4ae33-7a0d-4cf6-9e0e-0e5d8c8a0a51",
    "enrolment_id": "f3a7bb0a-1df1-5b0f-8d7c-b3c1f6b6c9d2",
    "certificate_id": "3d5f6d5e-3f0e-5a1c-9a3f-1f7b8c0d2e11",
    "institution": "52350200MJB0000001",
    "kind": "TRAINING",
    "occupation_id": "elder-carer",
    "level": "5",
    "region": "350200",
    "payee_kind": "PERSON",
    "claimant": "d6a4ae33-7a0d-4cf6-9e0e-0e5d8c8a0a51",
    "stage": "PUBLICISED",
    "codes": [],
    "computed_fen": 84000,
    "approved_fen": 0,
    "paid_fen": 0,
    "computed": "¥840.00",
    "marks": ["演示 / DEMO"],
    "claimed_on": "2024-06-04",
    "opens_on": "2024-06-06",
    "closes_on": "2024-06-13",
    "batch_id": "",
    "position": 5120,
}


class ClaimView(BaseModel):
    """A claim. `marks` belong to its amounts: DEMO where a figure is invented, UNVERIFIED where it was not read."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"example": _CLAIM})

    claim_id: str
    application_id: str
    line: int
    person_id: str
    enrolment_id: str
    certificate_id: str
    institution: str
    kind: str
    occupation_id: str
    level: str
    region: str
    payee_kind: Literal["PERSON", "INSTITUTION"]
    claimant: str
    stage: Stage
    codes: list[str]
    computed_fen: int
    approved_fen: int
    paid_fen: int
    computed: str
    marks: list[str]
    claimed_on: date
    opens_on: date | None
    closes_on: date | None
    batch_id: str
    position: int


class ActView(BaseModel):
    """One fact of a claim. `handler_id` and `actor` are empty where the caller is the person."""

    model_config = ConfigDict(extra="ignore")

    fact_id: str
    fact: str
    step: str
    handler_id: str
    actor: str
    duty: str
    business_date: date
    recorded_at: datetime
    amount_fen: int | None
    codes: list[str]


class ClaimDetail(ClaimView):
    """A claim with its history and the trace of the rules that gave its amount."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "example": {
                **_CLAIM,
                "history": [
                    {
                        "fact_id": _FACT_ID,
                        "fact": "ClaimAccepted",
                        "step": "ACCEPT",
                        "handler_id": "h-021",
                        "actor": "handler:h-021",
                        "duty": "D8",
                        "business_date": "2024-06-05",
                        "recorded_at": "2024-06-05T01:00:00Z",
                        "amount_fen": None,
                        "codes": [],
                    }
                ],
                "trace": {"result": "STANDARD", "fen": 84000, "steps": []},
            }
        },
    )

    history: list[ActView]
    trace: dict[str, Any]


class ClaimPage(BaseModel):
    """Claims in the order of filing; `next` is the `after` of the next page, null at the end."""

    model_config = example(items=[_CLAIM], next=None, as_of=5120)

    items: list[ClaimView]
    next: int | None
    as_of: int


class WaitingClaim(ClaimView):
    """A claim that waits for the caller.

    `ready` is false while its public notice is open: it closes with the end of `closes_on`.
    """

    step: str
    duty: str
    ready: bool


class Worklist(BaseModel):
    """What waits for the caller's duties, without claims on which another person must act."""

    model_config = example(
        business_date="2024-06-07",
        items=[{**_CLAIM, "step": "APPROVE", "duty": "D12", "ready": False}],
        next=None,
        as_of=5120,
    )

    business_date: date | None
    items: list[WaitingClaim]
    next: int | None
    as_of: int


_BATCH: dict[str, Any] = {
    "batch_id": "a3c5a7f4-57b8-5a29-8a2e-2f3c7f6f0b21",
    "region": "350200",
    "bank": "91350100MA2YBANK07",
    "claims": 1,
    "total_fen": 84000,
    "total": "¥840.00",
    "payer": "handler:h-040",
    "created_on": "2024-06-14",
    "reconciled_on": None,
    "paid_fen": None,
    "failed_fen": None,
    "position": 6001,
}


class BatchView(BaseModel):
    """A payment batch. The last three are null until the bank has answered every line."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"example": _BATCH})

    batch_id: str
    region: str
    bank: str
    claims: int
    total_fen: int
    total: str
    payer: str
    created_on: date
    reconciled_on: date | None
    paid_fen: int | None
    failed_fen: int | None
    position: int


class BatchPage(BaseModel):
    """Batches in the order of their making; `next` is the `after` of the next page, null at the end."""

    model_config = example(items=[_BATCH], next=None)

    items: list[BatchView]
    next: int | None
