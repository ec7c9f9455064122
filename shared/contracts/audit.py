"""Facts of audit: who read personal data."""

from __future__ import annotations

from shared.contracts.fact import Fact, fact

SERVICE = "audit"


@fact(SERVICE)
class PersonalDataRead(Fact, frozen=True):
    """A person read personal data rendered from the vault.

    Attributes:
        reader: the handler's id.
        subject: what was looked at: a claim, a person, a handler.
        fields: the names of what was shown, never the values.
        reason: the reader's stated reason code.
    """

    reader: str
    subject: str
    fields: list[str]
    reason: str
