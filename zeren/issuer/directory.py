"""Who somebody is: asked of the services that may look into the vault, with the issuer's own token."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

TIMEOUT_SECONDS = 10.0
DUTY = "ISSUER"
SUBJECT = "handler:issuer"


class DirectoryUnreachable(Exception):
    """The service that knows does not answer now; try again."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Looks up handlers at audit and persons at enrolment.

    Attributes:
        own_token: makes the issuer's own bearer token; the argument is now, in seconds since 1970.
    """

    http: httpx.Client
    enrolment_url: str
    audit_url: str
    own_token: Callable[[int], str]

    def duties(self, handler_id: str) -> tuple[str, ...] | None:
        """The duties of an active handler, or None for whoever is unknown or acts no more.

        Raises: DirectoryUnreachable.
        """
        found = self._ask("GET", f"{self.audit_url}/directory/{handler_id}")
        if found is None or not found.get("active"):
            return None
        return tuple(str(duty) for duty in found["duties"])

    def person(self, national_id: str) -> str | None:
        """The person's id, or None where nobody was ever enrolled under that number.

        The number goes in the body only: addresses end up in logs. Raises: DirectoryUnreachable.
        """
        found = self._ask("POST", f"{self.enrolment_url}/persons/resolution", {"national_id": national_id})
        return None if found is None else str(found["person_id"])

    def _ask(self, method: str, url: str, body: dict[str, str] | None = None) -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {self.own_token(int(time.time()))}"}
        try:
            response = self.http.request(method, url, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise DirectoryUnreachable from error
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if not response.is_success:
            raise DirectoryUnreachable
        answer: dict[str, Any] = response.json()
        return answer
