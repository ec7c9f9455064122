"""The issuer's signing key: made once, kept by its owner alone, its public half published to a file."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from joserfc.jwk import OKPKey


def load_or_make_key(key_file: Path) -> OKPKey:
    """The key of a JWK file (mode 0600), made where there is none."""
    if not key_file.exists():
        made = OKPKey.generate_key("Ed25519", parameters={"use": "sig", "alg": "Ed25519"}, auto_kid=True)
        _write_whole(key_file, json.dumps(made.as_dict(private=True)), 0o600)
    return OKPKey.import_key(json.loads(key_file.read_text("utf-8")))


def publish(key: OKPKey, jwks_file: Path) -> None:
    """Writes the public key as a JWKS; services read it at their start."""
    _write_whole(jwks_file, json.dumps({"keys": [key.as_dict(private=False)]}), 0o644)


def _write_whole(path: Path, content: str, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    draft.replace(path)
