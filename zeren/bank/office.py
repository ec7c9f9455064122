"""What the bank asks over HTTP: the business date, with a token of the local issuer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date

import httpx

RENEW_BEFORE_SECONDS = 60


@dataclass(slots=True)
class Office:
    """The services' side as the bank reaches it.

    Attributes:
        secret: opens the issuer.
        handler: in whose name the date is asked.
    """

    http: httpx.Client
    enrolment_url: str
    issuer_url: str
    secret: str = field(repr=False)
    handler: str
    _token: str = field(default="", repr=False)
    _until: float = 0.0

    def business_date(self) -> date:
        """Raises: httpx.HTTPError, ValueError before the first business day."""
        response = self.http.get(f"{self.enrolment_url}/business-day", headers=self._bearer())
        response.raise_for_status()
        found = response.json()["date"]
        if found is None:
            raise ValueError("尚未开启业务日期 / no business day is open")
        return date.fromisoformat(found)

    def _bearer(self) -> dict[str, str]:
        if time.monotonic() >= self._until:
            response = self.http.post(
                f"{self.issuer_url}/token",
                json={"handler": self.handler},
                headers={"Authorization": f"Bearer {self.secret}"},
            )
            response.raise_for_status()
            answer = response.json()
            self._token = answer["token"]
            self._until = time.monotonic() + answer["expires_in"] - RENEW_BEFORE_SECONDS
        return {"Authorization": f"Bearer {self._token}"}
