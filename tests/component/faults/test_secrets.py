"""Secrets of a running stack: in their own files alone, which nobody else may read.

Patterns in the repository are looked for in tests/architecture; here it is the real secrets of a fresh state folder,
everywhere they could leak to.
"""

from __future__ import annotations

import base64
import json
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.architecture.tree import ROOT, project_files
from tests.component.faults.sending import Town
from zeren.stack.processes import marked

pytestmark = pytest.mark.timeout(300)

PUBLIC = ("issuer.jwks",)
"""Files among the keys that hold none."""
WORD = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
SHORTEST = 20


def secrets_of(town: Town) -> frozenset[bytes]:
    """Passwords, keys and private halves, as they are written and as hex and base64 of the same bytes."""
    found: set[str] = set(json.loads((town.state.path / "secrets.json").read_text("utf-8")).values())
    for path in sorted((town.state.path / "keys").iterdir()):
        if path.name not in PUBLIC:
            text = path.read_text("utf-8")
            found |= {json.loads(text)["d"]} if text.startswith("{") else set(WORD.findall(text))
    for path in sorted((town.state.path / "institutions").glob("*.toml")):
        found.add(tomllib.loads(path.read_text("utf-8"))["password"])
    assert len(found) > 20
    assert min(len(secret) for secret in found) >= SHORTEST
    return frozenset(form for secret in found for form in _forms(secret))


def _forms(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    try:
        raw = bytes.fromhex(secret) if re.fullmatch(r"(?:[0-9a-f]{2})+", secret) else _decoded(secret)
    except ValueError:
        return
    yield raw.hex().encode()
    yield base64.b64encode(raw).rstrip(b"=")
    yield base64.urlsafe_b64encode(raw).rstrip(b"=")


def _decoded(secret: str) -> bytes:
    return base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_", validate=True)


def leaks(secrets: frozenset[bytes], places: Iterable[tuple[str, bytes]]) -> list[str]:
    """The places where a secret stands; which one is not told."""
    pattern = re.compile(b"|".join(re.escape(secret) for secret in sorted(secrets)))
    return sorted({name for name, content in places if pattern.search(content)})


def command_lines() -> Iterator[tuple[str, bytes]]:
    """What `ps` shows of every process of the machine."""
    for process in psutil.process_iter(["pid", "name", "cmdline"]):
        yield f"{process.info['name']}", "\0".join(process.info["cmdline"] or ()).encode()


def logs(town: Town) -> list[tuple[str, bytes]]:
    """Every log of the stack."""
    return [(path.name, path.read_bytes()) for path in sorted((town.state.path / "logs").iterdir())]


def test_no_secret_of_a_running_stack_is_in_a_log(town: Town) -> None:
    """After everything that was sent to it, also what was refused and what failed."""
    assert len(logs(town)) >= 8
    assert leaks(secrets_of(town), logs(town)) == []


def test_no_secret_is_in_a_process_s_arguments(town: Town) -> None:
    """Every user of the machine sees them."""
    names = {" ".join(psutil.Process(one.pid).cmdline()) for one in marked(town.state.id)}
    assert any("services.payment" in name for name in names)
    assert leaks(secrets_of(town), command_lines()) == []


def test_no_secret_is_in_the_repository(town: Town) -> None:
    """Nothing that a start makes is a value that was there before."""
    files = ((str(path.relative_to(ROOT)), path.read_bytes()) for path in project_files())
    assert leaks(secrets_of(town), files) == []


def test_every_file_that_holds_a_secret_is_its_owner_s_alone(town: Town) -> None:
    """Of all files of the state folder: none that others may read holds one."""
    others = [path for path in _files(town.state.path) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert leaks(secrets_of(town), ((str(path), path.read_bytes()) for path in others)) == []
    assert stat.S_IMODE((town.state.path / "secrets.json").stat().st_mode) == 0o600


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]


def test_the_scan_finds_what_is_planted(town: Town) -> None:
    """A password as it is, and a key in another form than its file has."""
    secrets = secrets_of(town)
    password = next(iter(json.loads((town.state.path / "secrets.json").read_text("utf-8")).values()))
    seed = base64.urlsafe_b64decode(
        json.loads((town.state.path / "keys" / "school.jwk").read_text("utf-8"))["d"] + "="
    )
    places = [
        ("a log", b'{"url":"postgresql://u:' + password.encode() + b'@h"}'),
        ("hex", seed.hex().encode()),
    ]
    assert leaks(secrets, [*places, ("clean", b"nothing")]) == ["a log", "hex"]
