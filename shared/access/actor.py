"""Who acts over HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated person.

    Attributes:
        kind: "handler" (经办人员) or "person" (a trainee).
        id: the handler's id, or the person's id.
        duties: duty codes (D3 … D15) and roles (REGISTRAR, AUDITOR, OPERATOR, DAY) that the token carries.
    """

    kind: str
    id: str
    duties: frozenset[str]

    @property
    def name(self) -> str:
        """As facts name the actor: "handler:<id>" or "person:<id>"."""
        return f"{self.kind}:{self.id}"
