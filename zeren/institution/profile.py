"""The credentials profile of an institution: one TOML file, mode 0600, written by its registration."""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from zeren.institution.keys import SigningKey, read_key


class ProfileUnusable(ValueError):
    """A profile is missing or can't be read, or others may read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What an institution needs to send and to receive.

    Attributes:
        kind: TRAINING, ASSESSMENT or BANK.
        key_file: its signing key (JWK, mode 0600).
    """

    uscc: str
    name: str
    kind: str
    bootstrap: str
    user: str
    password: str = field(repr=False)
    security_protocol: str
    receipts_topic: str
    key_id: str
    key_file: str

    def key(self) -> SigningKey:
        """The signing key. Raises: KeyUnusable."""
        return read_key(Path(self.key_file))


def profile_path(folder: Path, uscc: str) -> Path:
    """Where the profile of an institution stands."""
    return folder / f"{uscc}.toml"


def write_profile(folder: Path, profile: Profile) -> Path:
    """Writes the profile whole or not at all."""
    path = profile_path(folder, profile.uscc)
    # A JSON string is a TOML basic string as long as nothing outside ASCII is written raw: it is escaped.
    lines = [f"{name} = {json.dumps(value)}" for name, value in asdict(profile).items()]
    draft = folder / f".{profile.uscc}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    draft.replace(path)
    return path


def read_profile(path: Path) -> Profile:
    """Raises: ProfileUnusable."""
    try:
        if path.stat().st_mode & 0o077:
            raise ProfileUnusable(f"{path} 可被他人读取：请 chmod 600 / others may read {path}: chmod 600 it")
        return Profile(**tomllib.loads(path.read_text("utf-8")))
    except OSError:
        raise ProfileUnusable(
            f"没有凭据文件 {path}：请先运行 zeren institution register / "
            f"no credentials profile {path}: run zeren institution register first"
        ) from None
    except (tomllib.TOMLDecodeError, TypeError, UnicodeDecodeError) as error:
        raise ProfileUnusable(f"{path} 不是凭据文件 / {path} is no credentials profile") from error


def read_profiles(folder: Path) -> dict[str, Profile]:
    """Every profile of a folder, by USCC. Raises: ProfileUnusable."""
    profiles = [read_profile(path) for path in sorted(folder.glob("*.toml"))]
    return {profile.uscc: profile for profile in profiles}
