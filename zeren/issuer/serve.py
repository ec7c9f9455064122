"""Runs the issuer: settings from variables named `ISSUER_…`, served on 127.0.0.1 until SIGTERM."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from zeren.issuer.app import application
from zeren.issuer.directory import DUTY, SUBJECT, TIMEOUT_SECONDS, Directory
from zeren.issuer.keys import load_or_make_key, publish
from zeren.issuer.tokens import DEFAULT_SECONDS, TokenSigner

NAMES = ("HTTP_PORT", "KEY_FILE", "JWKS_FILE", "SECRET", "ENROLMENT_URL", "AUDIT_URL")


def build(environ: Mapping[str, str]) -> FastAPI:
    """The application; the public key is published before anything else. Raises: KeyError."""
    values = {name: environ[f"ISSUER_{name}"] for name in NAMES}
    key = load_or_make_key(Path(values["KEY_FILE"]))
    publish(key, Path(values["JWKS_FILE"]))
    own = TokenSigner(key, 60)
    directory = Directory(
        http=httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False),
        enrolment_url=values["ENROLMENT_URL"],
        audit_url=values["AUDIT_URL"],
        own_token=lambda now: own.issue(SUBJECT, (DUTY,), now=now).token,
    )
    seconds = int(environ.get("ISSUER_TOKEN_SECONDS") or DEFAULT_SECONDS)
    return application(directory, TokenSigner(key, seconds), values["SECRET"])


def serve(environ: Mapping[str, str]) -> int:
    """Serves until asked to end. 2 where a setting is missing."""
    missing = [f"ISSUER_{name}" for name in NAMES if not environ.get(f"ISSUER_{name}")]
    if missing:
        print(f"缺少环境变量 / missing: {', '.join(missing)}")  # noqa: T201 - its log is its output
        return 2
    uvicorn.run(
        build(environ),
        host="127.0.0.1",
        port=int(environ["ISSUER_HTTP_PORT"]),
        log_level="warning",
        access_log=False,
    )
    return 0
