"""A training institution with a key and a document, as the client's tests use them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from zeren.institution.keys import SigningKey

USCC = "91350100M000100Y43"


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate(f"{USCC}-1")


@pytest.fixture
def document() -> Callable[..., bytes]:
    """`document("CompleteClass", {"class_ref": "K-1"})`: the bytes of a submission document."""

    def make(name: str, data: dict[str, Any], **changed: Any) -> bytes:
        row = {
            "specversion": "1.0",
            "id": "S-1",
            "source": f"urn:uscc:{USCC}",
            "type": f"zeren.submission.{name}.v1",
            "time": "2024-05-14T09:00:00+08:00",
            "nonce": "n" * 22,
            "data": data,
        }
        return json.dumps({**row, **changed}, ensure_ascii=False, separators=(",", ":")).encode()

    return make
