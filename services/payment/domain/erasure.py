"""Payment's part in an erasure: whether a person's own payee accounts are still needed, and no new claim meanwhile.

One stream a person, `identity.erasure_id("payment", person)`. A claim to the person's account and the answer to an
order meet here: either the claim is filed first and named in the answer, or it comes after and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from shared.contracts.payment import ErasureAnswered
from shared.decider import Decider
from shared.refusal import Refusal

MAX_NAMED = 20


class PersonErased(Refusal):
    """The person's data is erased, or about to be: no money can be paid to them."""

    code = "person.erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerErasure:
    """Answers enrolment's order, once.

    Attributes:
        open_claims: claims to the person's own account that are neither paid nor refused.
    """

    person_id: str
    order_no: int
    open_claims: tuple[str, ...]


class Answered(msgspec.Struct, frozen=True, gc=False):
    """The latest answer; `cleared`: nothing is open, so nothing may be opened either."""

    order_no: int = 0
    cleared: bool = False


def decide(command: AnswerErasure, state: Answered) -> list[ErasureAnswered]:
    """See `Decider.decide`."""
    if command.order_no <= state.order_no:
        return []
    named = sorted(command.open_claims)[:MAX_NAMED]
    return [ErasureAnswered(person_id=command.person_id, order_no=command.order_no, open_claims=named)]


def evolve(_state: Answered, event: ErasureAnswered) -> Answered:
    """See `Decider.evolve`."""
    return Answered(event.order_no, cleared=not event.open_claims)


def must_take_claims(state: Answered, ended: int) -> None:
    """Refuses a person's claim while an order that payment cleared is neither carried out nor withdrawn.

    Args:
        state: of the person's stream.
        ended: the number of the latest order that was; 0 where there is none.

    Raises: PersonErased.
    """
    if state.cleared and ended < state.order_no:
        raise PersonErased


erasure_answers: Decider[AnswerErasure, Answered, ErasureAnswered] = Decider(
    "erasure_answers", Answered(), decide, evolve, (ErasureAnswered,)
)
