"""The running services of a state folder over HTTP, as a handler, a person or nobody.

ServiceUnreachable    no answer, or none in time: is the stack up?
ServiceRefused        an answer that says no, with its permanent code
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from zeren.stack.errors import StackError
from zeren.stack.handlers import handlers_with
from zeren.stack.state import HOST, StateFolder
from zeren.stack.supervisor import Progress, silent

ISSUER = "issuer"
ISSUER_SECRET = "issuer/administrator"  # noqa: S105 - the name of a secret
TIMEOUT_SECONDS = 60.0
RENEW_BEFORE_SECONDS = 120
TOLD_EVERY_SECONDS = 5.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
TRY_AGAIN = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
"""Answers that say nothing was decided: the same request may be made again."""


class ServiceUnreachable(StackError):
    """Nothing answers at that address."""

    def __init__(self, service: str, why: str) -> None:
        super().__init__(
            f"无法连接 {service}（{why}）；请先运行 zeren up，或看 zeren status 与 zeren logs {service}",
            f"{service} can't be reached ({why}); run zeren up, or see zeren status and zeren logs {service}",
        )
        self.service = service


class ServiceRefused(StackError):
    """A service says no.

    Attributes:
        status: of HTTP. code: permanent, machine readable. field: what is at fault, or "".
    """

    def __init__(self, service: str, status: int, answer: Mapping[str, Any]) -> None:
        self.service, self.status = service, status
        self.code = str(answer.get("code", f"http.{status}"))
        self.field = str(answer.get("field", ""))
        at = f"（{self.field}）" if self.field else ""
        super().__init__(
            f"{service} 拒绝：{answer.get('zh') or self.code}{at}",
            f"{service} refuses: {answer.get('en') or self.code} [{self.code}]",
        )


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and until when it is used, on the monotonic clock."""

    text: str = field(repr=False)
    until: float
    subject: str
    duties: tuple[str, ...]


class Local:
    """A client of one running stack. Threads may share it; `close` it at the end, or use `with`.

    An outage is waited out for up to `patience_seconds`: the same request again and again, a command under the same
    Idempotency-Key. With 0 only a broken connection is tried once more, so that who asks a stack that is down is told
    at once. `waiting` is told now and then that it waits, and for whom.
    """

    def __init__(
        self,
        state: StateFolder,
        *,
        patience_seconds: float = 0,
        waiting: Progress = silent,
        answer_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.state = state
        self._patience_seconds = patience_seconds
        self._waiting = waiting
        # A proxy of the environment can't reach this machine's own addresses.
        self._http = httpx.Client(timeout=answer_seconds, trust_env=False)
        self._tokens: dict[tuple[str, str], Token] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the connections go."""
        self._http.close()

    def url(self, service: str) -> str:
        """The base URL of a service or the issuer; raises ServiceUnreachable where none was ever started."""
        port = self.state.configured_port(service) or self.state.known_port(service)
        if port is None:
            raise ServiceUnreachable(service, "从未启动 / never started")
        return f"http://{HOST}:{port}"

    def token_of(self, *, handler: str = "", national_id: str = "") -> Token:
        """A token for a handler by id, or a person by ID number; the same one until shortly before it ends.

        Raises:
            ServiceRefused: nobody of that name, or not active.
        """
        asked = {"handler": handler} if handler else {"national_id": national_id}
        key = next(iter(asked.items()))
        with self._lock:
            known = self._tokens.get(key)
        if known is not None and known.until > time.monotonic():
            return known
        secret = self.state.known_secret(ISSUER_SECRET) or ""
        answer = self._send("POST", ISSUER, "/token", {"json": asked}, secret)
        lifetime = float(answer["expires_in"]) - RENEW_BEFORE_SECONDS
        token = Token(
            answer["token"], time.monotonic() + lifetime, answer["subject"], tuple(answer["duties"])
        )
        with self._lock:
            self._tokens[key] = token
        return token

    def handler_token(self, handler: str) -> str:
        """The bearer token of a handler."""
        return self.token_of(handler=handler).text

    def person_token(self, national_id: str) -> str:
        """The bearer token of a person who is known to the vault."""
        return self.token_of(national_id=national_id).text

    def as_duty(self, duty: str) -> str:
        """The bearer token of the first handler of the local set-up who holds a duty."""
        return self.handler_token(handlers_with(duty)[0])

    def get(
        self, service: str, path: str, *, bearer: str = "", params: Mapping[str, Any] | None = None
    ) -> Any:
        """The JSON of a GET. Raises: ServiceUnreachable, ServiceRefused."""
        wanted = {name: value for name, value in (params or {}).items() if value not in (None, "")}
        return self._send("GET", service, path, {"params": wanted}, bearer)

    def post(
        self, service: str, path: str, body: Any, *, bearer: str, idempotency_key: str | None = None
    ) -> Any:
        """The JSON of a POST, sent once more where the connection broke: its key makes that harmless.

        A random key is made where none is given. Raises: ServiceUnreachable, ServiceRefused.
        """
        headers = {"Idempotency-Key": idempotency_key or secrets.token_urlsafe(16)}
        request = {"json": body, "headers": headers}
        try:
            return self._send("POST", service, path, request, bearer)
        except ServiceUnreachable:
            if self._patience_seconds:
                raise
            return self._send("POST", service, path, request, bearer)

    def pages(
        self, service: str, path: str, *, bearer: str, params: Mapping[str, Any] | None = None, most: int = 0
    ) -> list[dict[str, Any]]:
        """The `items` of every page, at most `most` if that is not 0."""
        items: list[dict[str, Any]] = []
        after: Any = None
        while True:
            page = self.get(service, path, bearer=bearer, params={**(params or {}), "after": after})
            items += page["items"]
            after = page.get("next")
            if after is None or not page["items"] or 0 < most <= len(items):
                return items[:most] if most else items

    def knows_key(self, service: str, key_id: str) -> bool:
        """Whether a service has adopted a signing key. Raises: ServiceUnreachable, ServiceRefused."""
        try:
            self.get(service, f"/keys/{key_id}")
        except ServiceRefused as refusal:
            if refusal.status == httpx.codes.NOT_FOUND:
                return False
            raise
        return True

    def ready(self, service: str) -> dict[str, Any]:
        """What `/health/ready` says, ready or not. Raises: ServiceUnreachable."""
        response = self._once("GET", service, "/health/ready", {})
        answer = _json(response)
        return answer if isinstance(answer, dict) else {"ready": response.status_code == httpx.codes.OK}

    def get_bytes(self, service: str, path: str, *, bearer: str, params: Mapping[str, Any]) -> bytes:
        """The body of a GET as it is. Raises: ServiceUnreachable, ServiceRefused."""
        return self._answered("GET", service, path, {"params": params}, bearer).content

    def _send(self, method: str, service: str, path: str, request: dict[str, Any], bearer: str) -> Any:
        return _json(self._answered(method, service, path, request, bearer))

    def _answered(
        self, method: str, service: str, path: str, request: dict[str, Any], bearer: str
    ) -> httpx.Response:
        if bearer:
            request = {
                **request,
                "headers": {**request.get("headers", {}), "Authorization": f"Bearer {bearer}"},
            }
        response = self._request(method, service, path, request)
        if response.is_success:
            return response
        answer = _json(response)
        raise ServiceRefused(service, response.status_code, answer if isinstance(answer, dict) else {})

    def _request(self, method: str, service: str, path: str, request: dict[str, Any]) -> httpx.Response:
        """The answer, once there is one or patience is over. Raises: ServiceUnreachable."""
        began, pause = time.monotonic(), FIRST_PAUSE_SECONDS
        tell_at = began
        while True:
            waited = time.monotonic() - began
            over = waited >= self._patience_seconds
            try:
                response = self._once(method, service, path, request)
            except ServiceUnreachable:
                if over:
                    raise
            else:
                if over or response.status_code not in TRY_AGAIN:
                    return response
            if began + waited >= tell_at:
                tell_at = began + waited + TOLD_EVERY_SECONDS
                self._tell(service, waited)
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _tell(self, service: str, waited: float) -> None:
        left = f"{waited:.0f}/{self._patience_seconds:.0f}"
        self._waiting(
            f"{service} 未应答，等它恢复（{left} 秒） / {service} does not answer: waiting ({left} s)"
        )

    def _once(self, method: str, service: str, path: str, request: dict[str, Any]) -> httpx.Response:
        try:
            return self._http.request(method, f"{self.url(service)}{path}", **request)
        except httpx.HTTPError as error:
            raise ServiceUnreachable(service, type(error).__name__) from error


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except json.JSONDecodeError:
        return None
