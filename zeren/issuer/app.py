"""The issuer over HTTP: the administrator asks for a token for a handler or a person."""

import hmac
import time
from typing import Annotated

from fastapi import FastAPI, Header
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from zeren.issuer.directory import Directory, DirectoryUnreachable
from zeren.issuer.tokens import Issued, TokenSigner


class TokenRequest(BaseModel):
    """Either a handler by id, or a person by ID number, which is neither logged nor echoed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"handler": "h-accept-1"}})

    handler: str = Field(default="", max_length=64, pattern=r"^[A-Za-z0-9._-]*$")
    national_id: str = Field(default="", max_length=18, pattern=r"^[0-9X]*$", repr=False)


class TokenAnswer(BaseModel):
    """A bearer token and what it says."""

    token: str = Field(repr=False)
    subject: str
    duties: list[str]
    expires_in: int


class _Refused(Exception):
    def __init__(self, status: int, code: str, zh: str, en: str) -> None:
        super().__init__(code)
        self.status = status
        self.content = {"code": code, "zh": zh, "en": en, "field": ""}


def application(directory: Directory, signer: TokenSigner, secret: str) -> FastAPI:
    """The issuer's routes; `secret` is the administrator's and opens `/token`."""
    app = FastAPI(title="Zeren issuer", version="1", docs_url=None, redoc_url=None)

    @app.exception_handler(_Refused)
    async def refused(_request: Request, refusal: _Refused) -> JSONResponse:
        return JSONResponse(refusal.content, refusal.status)

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, _error: RequestValidationError) -> JSONResponse:
        content = {"code": "token.malformed_request", "zh": "请求格式不合规", "en": "Malformed request"}
        return JSONResponse({**content, "field": ""}, 422)

    @app.exception_handler(DirectoryUnreachable)
    async def unreachable(_request: Request, _error: DirectoryUnreachable) -> JSONResponse:
        content = {"code": "token.directory_unreachable", "zh": "暂时无法查询身份，请稍后重试"}
        return JSONResponse({**content, "en": "The directory does not answer; try again", "field": ""}, 503)

    @app.get("/health/ready")
    def ready() -> dict[str, bool]:
        """The issuer answers; its directory is asked only for tokens."""
        return {"ready": True}

    @app.post("/token")
    def token(asked: TokenRequest, authorization: Annotated[str, Header(max_length=200)] = "") -> TokenAnswer:
        """A token for a handler with their duties, or for a person. Only for the administrator."""
        if not hmac.compare_digest(authorization.encode(), f"Bearer {secret}".encode()):
            raise _Refused(
                401, "token.not_administrator", "须持管理员密钥", "The administrator's secret is needed"
            )
        issued = _issue(asked, directory, signer)
        return TokenAnswer(
            token=issued.token,
            subject=issued.subject,
            duties=list(issued.duties),
            expires_in=issued.expires_in,
        )

    return app


def _issue(asked: TokenRequest, directory: Directory, signer: TokenSigner) -> Issued:
    now = int(time.time())
    if bool(asked.handler) == bool(asked.national_id):
        raise _Refused(
            422,
            "token.malformed_request",
            "须指明经办人或证件号之一",
            "Name a handler or an ID number, one of them",
        )
    if asked.handler:
        duties = directory.duties(asked.handler)
        if duties is None:
            raise _Refused(404, "handler.unknown", "没有该在岗经办人员", "No such active handler")
        return signer.issue(f"handler:{asked.handler}", duties, now=now)
    person = directory.person(asked.national_id)
    if person is None:
        raise _Refused(404, "person.unknown", "该证件号尚无报名记录", "Nobody was enrolled under that number")
    return signer.issue(f"person:{person}", (), now=now)
