"""What comes and goes over HTTP, with bounds and an example each."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.access.fields import Reference, RegionCode, example

MAX_DECISIONS = 300
MAX_PAGE = 100


Day = date
UsccText = Annotated[str, Field(min_length=18, max_length=18)]
"""Of any characters: what is wrong with it is told by its own code."""
Kind = Literal["TRAINING", "ASSESSMENT", "BANK"]
ClassState = Literal["APPLIED", "APPROVED", "COMPLETED"]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


_KEY: dict[str, Any] = {
    "key_id": "52350100MJA0000017-1",
    "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "valid_from": "2024-05-01T00:00:00+08:00",
    "valid_until": None,
}
_ACCOUNT = {"number": "6222000000000000001", "holder": "福州某某培训学校", "bank": "某某银行福州支行"}


class NewKey(BaseModel):
    """A signing key: Ed25519, base64url without padding; `valid_from` may lie before the registration."""

    model_config = example(**_KEY)

    key_id: Reference
    public_key: Annotated[str, Field(min_length=1, max_length=64)]
    valid_from: AwareDatetime
    valid_until: AwareDatetime | None = None


class KeyEnd(BaseModel):
    """Ends a signing key: what the broker logged before `valid_until` (now, where it is null) stays good."""

    model_config = example(valid_until="2024-06-01T12:00:00+08:00", reason="COMPROMISED")

    valid_until: AwareDatetime | None = None
    reason: Literal["COMPROMISED", "LOST", "SUPERSEDED", "CLOSED"]


class KeyRevoked(BaseModel):
    """The key's end, UTC, and the fact."""

    model_config = example(
        uscc="52350100MJA0000017",
        key_id="52350100MJA0000017-1",
        valid_until="2024-06-01T04:00:00Z",
        facts=["0f6b3c1e-5c0e-5a53-9f0a-2f1f6f0c8a11"],
    )

    uscc: str
    key_id: str
    valid_until: datetime
    facts: list[str]


class NewAccount(BaseModel):
    """The account to which an institution's claims are paid. Goes to the vault and nowhere else."""

    model_config = example(**_ACCOUNT)

    number: Annotated[str, Field(min_length=6, max_length=40, pattern=r"^[0-9A-Za-z -]+$", repr=False)]
    holder: Annotated[str, Field(min_length=1, max_length=100, repr=False)]
    bank: Annotated[str, Field(min_length=1, max_length=100, repr=False)]


class NewInstitution(BaseModel):
    """An organisation with its first key; a training institution also with its payee account."""

    model_config = example(
        uscc="52350100MJA0000017",
        name="福州某某培训学校",
        kind="TRAINING",
        region="350100",
        key=_KEY,
        account=_ACCOUNT,
    )

    uscc: UsccText
    name: Annotated[str, Field(min_length=1, max_length=100)]
    kind: Kind
    region: RegionCode
    key: NewKey
    account: NewAccount | None = None


class Registered(BaseModel):
    """What the registration led to; `already` where everything was so before."""

    model_config = example(
        uscc="52350100MJA0000017", outcome="done", facts=["0f6b3c1e-5c0e-5a53-9f0a-2f1f6f0c8a11"]
    )

    uscc: str
    outcome: Literal["done", "already"]
    facts: list[str]


class ErasureOrder(BaseModel):
    """Why a person's data is to be erased."""

    model_config = example(reason="CONSENT_WITHDRAWN")

    reason: Literal[
        "PURPOSE_FULFILLED", "RETENTION_OVER", "CONSENT_WITHDRAWN", "UNLAWFUL_PROCESSING", "OTHER_LAW"
    ]


class ErasureDecision(BaseModel):
    """What another handler does with the order; whoever ordered may withdraw it too."""

    model_config = example(decision="confirm")

    decision: Literal["confirm", "withdraw"]


class ErasureOutcome(BaseModel):
    """What the command led to; `already` where it was so before."""

    model_config = example(
        person_id="6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
        outcome="done",
        order_no=1,
        facts=["0f6b3c1e-5c0e-5a53-9f0a-2f1f6f0c8a11"],
    )

    person_id: str
    outcome: Literal["done", "already"]
    order_no: int
    facts: list[str]


class Deleted(BaseModel):
    """What an erasure deleted, as counts."""

    model_config = ConfigDict(extra="ignore")

    data_keys: int
    values: int
    commitments: int
    submissions: int
    accounts: int


class ErasureView(BaseModel):
    """Where the latest order of a person stands.

    `open_claims` is null until payment has answered the order; what it names holds the order up.
    """

    model_config = example(
        person_id="6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
        status="ERASED",
        order_no=1,
        reason="CONSENT_WITHDRAWN",
        ordered_by="h-privacy-1",
        confirmed_by="h-privacy-2",
        open_claims=[],
        deleted={"data_keys": 1, "values": 3, "commitments": 1, "submissions": 2, "accounts": 1},
    )

    person_id: str
    status: Literal["NONE", "ORDERED", "CONFIRMED", "WITHDRAWN", "ERASED"]
    order_no: int
    reason: str
    ordered_by: str
    confirmed_by: str
    open_claims: list[str] | None
    deleted: Deleted | None


class PersonSought(BaseModel):
    """An ID number. Not logged, not echoed."""

    national_id: Annotated[str, Field(min_length=18, max_length=18, repr=False)]


class PersonFound(BaseModel):
    """The person's random id."""

    person_id: str


class ClassDecisions(BaseModel):
    """A handler's decision (D3) on classes."""

    model_config = example(decision="approve", class_ids=["5d0f8f1c-3c52-5f0e-8e39-0b8a4ad0f3c1"])

    decision: Literal["approve"]
    class_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_DECISIONS)]


class ClassOutcome(BaseModel):
    """What became of one class; `code` says why it was refused, else ""."""

    class_id: str
    outcome: Literal["done", "already", "refused"]
    code: str
    facts: list[str]


class ClassOutcomes(BaseModel):
    """An outcome a class, in the order of the request."""

    model_config = example(
        outcomes=[
            {
                "class_id": "5d0f8f1c-3c52-5f0e-8e39-0b8a4ad0f3c1",
                "outcome": "done",
                "code": "",
                "facts": ["0f6b3c1e-5c0e-5a53-9f0a-2f1f6f0c8a11"],
            }
        ]
    )

    outcomes: list[ClassOutcome]


class OpenDays(BaseModel):
    """Opens business days up to and with `through`; the very first request opens that one day."""

    model_config = example(through="2024-05-14")

    through: date


class DaysOpened(BaseModel):
    """The business date now, and one fact for each day opened."""

    model_config = example(date="2024-05-14", facts=["0f6b3c1e-5c0e-5a53-9f0a-2f1f6f0c8a11"])

    date: Day
    facts: list[str]


class BusinessDay(BaseModel):
    """The business date and the day that opens next; both null before the first."""

    model_config = example(date="2024-05-14", next="2024-05-15")

    date: Day | None
    next: Day | None


class InstitutionView(BaseModel):
    """An organisation on the books."""

    model_config = ConfigDict(extra="ignore")

    uscc: str
    name: str
    kind: Kind
    region: str
    registered_on: date
    has_account: bool


class KeyView(BaseModel):
    """A signing key of an organisation."""

    model_config = ConfigDict(extra="ignore")

    key_id: str
    public_key: str
    valid_from: datetime
    valid_until: datetime | None


_INSTITUTION: dict[str, Any] = {
    "uscc": "52350100MJA0000017",
    "name": "福州某某培训学校",
    "kind": "TRAINING",
    "region": "350100",
    "registered_on": "2024-05-13",
    "has_account": True,
}


class InstitutionDetail(InstitutionView):
    """An organisation with its keys, the newest first, at most 50."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "example": {
                **_INSTITUTION,
                "keys": [_KEY],
            }
        },
    )

    keys: list[KeyView]


class InstitutionPage(BaseModel):
    """Organisations by USCC; `next` is the `after` of the next page, null at the end."""

    model_config = example(items=[_INSTITUTION], next=None)

    items: list[InstitutionView]
    next: str | None


_CLASS: dict[str, Any] = {
    "class_id": "5d0f8f1c-3c52-5f0e-8e39-0b8a4ad0f3c1",
    "class_ref": "K-2024-007",
    "institution": "52350100MJA0000017",
    "region": "350100",
    "occupation_id": "elder-carer",
    "level": "5",
    "state": "APPROVED",
    "max_trainees": 40,
    "enrolled": 32,
    "planned_sessions": 8,
    "recorded_sheets": 3,
    "completed": 0,
    "not_completed": 0,
    "first_day": "2024-05-15",
    "last_day": "2024-05-24",
    "applied_on": "2024-05-13",
    "approved_on": "2024-05-13",
    "approved_by": "handler:h-fz-01",
}


class ClassView(BaseModel):
    """A class: its state and how far it is."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"example": _CLASS})

    class_id: str
    class_ref: str
    institution: str
    region: str
    occupation_id: str
    level: str
    state: ClassState
    max_trainees: int
    enrolled: int
    planned_sessions: int
    recorded_sheets: int
    completed: int
    not_completed: int
    first_day: date
    last_day: date
    applied_on: date
    approved_on: date | None
    approved_by: str | None


class ClassPage(BaseModel):
    """Classes in the order of their applications; `next` is the `after` of the next page, null at the end."""

    model_config = example(items=[_CLASS], next=17)

    items: list[ClassView]
    next: int | None


class Worklist(BaseModel):
    """What awaits the caller's duties: for D3 the classes to approve.

    `waiting` counts all of them by region; `next` is the `after` of the next page, null at the end.
    """

    model_config = example(
        duty="D3", waiting={"350100": 1}, items=[{**_CLASS, "state": "APPLIED"}], next=None
    )

    duty: str
    waiting: dict[str, int]
    items: list[ClassView]
    next: int | None
