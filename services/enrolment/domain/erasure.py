"""Erasure (删除) of one person's data: ordered by one handler, confirmed by another, carried out by the vault.

One stream a person, `identity.erasure_id("enrolment", person)`. Payment owns payee accounts, so it answers each
order (`ErasureAnswered`): while money is on its way to the person's own account nobody can confirm.

Source: 个人信息保护法 第四十七条 (deletion), 第五十一条 (internal control).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

import msgspec
from msgspec.structs import replace

from shared.contracts.enrolment import ErasureConfirmed, ErasureOrdered, ErasureWithdrawn, SubjectErased
from shared.contracts.payment import ErasureAnswered
from shared.decider import Decider
from shared.refusal import Refusal

Status = Literal["NONE", "ORDERED", "CONFIRMED", "WITHDRAWN", "ERASED"]


class ErasureNotOrdered(Refusal):
    """There is no order to confirm."""

    code = "erasure.not_ordered"


class SameHandler(Refusal):
    """Whoever ordered an erasure can't confirm it."""

    code = "erasure.same_handler"


class PaymentNotAnswered(Refusal):
    """Payment has not said yet whether money is on its way to the person."""

    code = "erasure.payment_not_answered"


class PaymentUnderWay(Refusal):
    """A claim to the person's own account is neither paid nor refused."""

    code = "erasure.payment_under_way"


class ConfirmedAlready(Refusal):
    """A confirmed erasure can't be withdrawn: the vault may have deleted already."""

    code = "erasure.confirmed_already"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderErasure:
    """Orders it; again after one that was withdrawn, carried out, or held up by a payment.

    Attributes:
        answer: payment's latest answer about this person, or None.
    """

    person_id: str
    handler_id: str
    reason: str
    answer: ErasureAnswered | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmErasure:
    """Confirms the order, by another handler; `answer` as in `OrderErasure`."""

    person_id: str
    handler_id: str
    answer: ErasureAnswered | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawErasure:
    """Takes the order back while nobody has confirmed it."""

    person_id: str
    handler_id: str


@dataclass(frozen=True, slots=True)
class RecordErased:
    """The vault has deleted."""

    erased: SubjectErased


Command = OrderErasure | ConfirmErasure | WithdrawErasure | RecordErased
Event = ErasureOrdered | ErasureConfirmed | ErasureWithdrawn | SubjectErased


class Erasure(msgspec.Struct, frozen=True, gc=False):
    """Where the latest order of a person stands.

    Attributes:
        order_no: of the latest order; 0 where there was none.
        deleted: what was deleted by it, once it is carried out.
    """

    status: Status = "NONE"
    order_no: int = 0
    ordered_by: str = ""
    confirmed_by: str = ""
    reason: str = ""
    deleted: SubjectErased | None = None


def decide(command: Command, state: Erasure) -> list[Event]:
    """See `Decider.decide`."""
    match command:
        case OrderErasure():
            return _order(command, state)
        case ConfirmErasure():
            return _confirm(command, state)
        case WithdrawErasure():
            return _withdraw(command, state)
        case RecordErased(erased=erased):
            due = state.status == "CONFIRMED" and erased.order_no == state.order_no
            return [erased] if due else []
        case _:
            assert_never(command)


def evolve(state: Erasure, event: Event) -> Erasure:
    """See `Decider.evolve`."""
    match event:
        case ErasureOrdered(order_no=number, handler_id=handler, reason=reason):
            return Erasure(status="ORDERED", order_no=number, ordered_by=handler, reason=reason)
        case ErasureConfirmed(handler_id=handler):
            return replace(state, status="CONFIRMED", confirmed_by=handler)
        case ErasureWithdrawn():
            return replace(state, status="WITHDRAWN")
        case SubjectErased():
            return replace(state, status="ERASED", deleted=event)
        case _:
            assert_never(event)


def open_claims(state: Erasure, answer: ErasureAnswered | None) -> list[str] | None:
    """The claims that hold the latest order up; None while payment has not answered it."""
    return answer.open_claims if answer is not None and answer.order_no == state.order_no else None


def _order(command: OrderErasure, state: Erasure) -> list[Event]:
    stands = state.status in ("ORDERED", "CONFIRMED")
    held_up = state.status == "ORDERED" and bool(open_claims(state, command.answer))
    if stands and not held_up:
        return []
    return [
        ErasureOrdered(
            person_id=command.person_id,
            order_no=state.order_no + 1,
            handler_id=command.handler_id,
            reason=command.reason,
        )
    ]


def _confirm(command: ConfirmErasure, state: Erasure) -> list[Event]:
    if state.status in ("NONE", "WITHDRAWN"):
        raise ErasureNotOrdered("person_id")
    if state.status != "ORDERED":
        return []
    if command.handler_id == state.ordered_by:
        raise SameHandler
    held_by = open_claims(state, command.answer)
    if held_by is None:
        raise PaymentNotAnswered
    if held_by:
        raise PaymentUnderWay
    return [
        ErasureConfirmed(person_id=command.person_id, order_no=state.order_no, handler_id=command.handler_id)
    ]


def _withdraw(command: WithdrawErasure, state: Erasure) -> list[Event]:
    if state.status in ("CONFIRMED", "ERASED"):
        raise ConfirmedAlready("person_id")
    if state.status != "ORDERED":
        return []
    return [
        ErasureWithdrawn(person_id=command.person_id, order_no=state.order_no, handler_id=command.handler_id)
    ]


erasure: Decider[Command, Erasure, Event] = Decider(
    "erasure", Erasure(), decide, evolve, (ErasureOrdered, ErasureConfirmed, ErasureWithdrawn, SubjectErased)
)
