"""How a refusal is answered over HTTP: its status, its body, and what OpenAPI says of both."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.contracts.codes.catalogue import CATALOGUE

_STATUS = {
    "action.not_authenticated": 401,
    "action.duty_not_held": 403,
    "certificate.of_other_person": 403,
    "candidate.unknown": 404,
    "claim.certificate_unknown": 404,
    "claim.unknown": 404,
    "class.unknown": 404,
    "evidence.unknown": 404,
    "handler.unknown": 404,
    "institution.key_unknown": 404,
    "institution.unknown": 404,
    "parked.unknown": 404,
    "person.unknown": 404,
    "action.idempotency_key_reused": 409,
    "action.recovered": 409,
    "batch.empty": 409,
    "body.already_approved": 409,
    "businessday.not_next": 409,
    "businessday.not_open": 409,
    "claim.already_filed": 409,
    "erasure.confirmed_already": 409,
    "erasure.not_ordered": 409,
    "erasure.payment_not_answered": 409,
    "erasure.payment_under_way": 409,
    "erasure.same_handler": 409,
    "entitlement.already_used": 409,
    "institution.already_registered": 409,
    "institution.key_ends_earlier": 409,
    "institution.key_revoked_already": 409,
    "institution.key_used": 409,
    "parked.second_person_needed": 409,
    "parked.waits_behind": 409,
    "person.erased": 409,
    "spans.unreadable": 400,
    "spans.too_large": 413,
    "spans.encoding_unknown": 415,
    "request.too_many": 429,
}
"""What is not authenticated, not entitled, not there, in conflict with what stands, or no OTLP request."""


def status_of(code: str) -> int:
    """The HTTP status of a refusal: 422 for every code that is not of the table."""
    return _STATUS.get(code, 422)


def problem(code: str, field: str = "") -> dict[str, str]:
    """What a refused caller reads, see `Problem`."""
    text = CATALOGUE.get(code)
    return {"code": code, "zh": text.zh if text else code, "en": text.en if text else code, "field": field}


class Problem(BaseModel):
    """Why not: a permanent code with its texts, and the field at fault. No value is echoed."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "code": "claim.unknown",
                "zh": "没有该申领",
                "en": "No such claim",
                "field": "claim_id",
            }
        }
    )

    code: str
    zh: str
    en: str
    field: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in (
        (401, "未登录 / not authenticated"),
        (403, "无此权限 / not entitled"),
        (404, "没有该对象 / no such thing"),
        (
            409,
            "与已有事实冲突，或尚未开启业务日期 / in conflict with what stands, or no business day is open",
        ),
        (422, "请求不合规 / malformed or refused by a rule"),
    )
}
"""The `responses` of every router whose routes refuse."""
