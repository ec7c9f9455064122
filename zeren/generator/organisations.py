"""The organisations of the run: training institutions, assessment bodies, a bank, and their keys."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zeren.generator.identifiers import uscc
from zeren.generator.names import Account, People, bank_name, body_name, school_name

VALID_FROM = "2024-01-01T00:00:00+08:00"
CITIES = {
    "350200": "厦门市",
    "350100": "福州市",
    "350500": "泉州市",
    "350600": "漳州市",
    "350300": "莆田市",
    "350400": "三明市",
    "350700": "南平市",
    "350800": "龙岩市",
    "350900": "宁德市",
    "350128": "平潭综合实验区",
}
"""The ten regions: neighbours in this order make the pairs of classes that one person may attend."""
_FURTHER_SCHOOLS = ("350100", "350200", "350500", "350600", "350100", "350200", "350500")
_BODY_CITIES = ("350100", "350200", "350500", "350600", "350300", "350800", "350900")


@dataclass(eq=False, slots=True)
class Organisation:
    """An organisation with its signing key.

    Attributes:
        kind: TRAINING, ASSESSMENT or BANK.
        scope: (occupation, level) that an assessment body may assess.
        account: to which a training institution's own claims are paid.
    """

    uscc: str
    name: str
    kind: str
    region: str
    key: Ed25519PrivateKey
    account: Account | None = None
    scope: set[tuple[str, str]] = field(default_factory=set)

    @property
    def key_id(self) -> str:
        """The `kid` of its signatures."""
        return f"{self.uscc}-2024"

    @property
    def source(self) -> str:
        """The `source` of its documents."""
        return f"urn:uscc:{self.uscc}"


@dataclass(frozen=True, slots=True)
class Organisations:
    """Everyone who sends.

    Attributes:
        stranger: has a key that nobody registered.
    """

    schools: list[Organisation]
    bodies: list[Organisation]
    bank: Organisation
    stranger: Organisation

    @property
    def registered(self) -> list[Organisation]:
        """All but the stranger."""
        return [*self.schools, *self.bodies, self.bank]

    def by_uscc(self, uscc: str) -> Organisation:
        """The registered organisation of this code."""
        return next(one for one in self.registered if one.uscc == uscc)


def found(rng: Random, people: People, *, seed: int, trainees: int) -> Organisations:
    """Founds the organisations: 17 schools and 7 bodies, or 11 and 3 for less than 100 trainees."""
    regions = (*CITIES, *_FURTHER_SCHOOLS) if trainees >= 100 else (*CITIES, "350100")
    bodies = _BODY_CITIES if trainees >= 100 else _BODY_CITIES[:3]

    def organisation(name: str, kind: str, register: str, region: str) -> Organisation:
        code = uscc(rng, register, region)
        return Organisation(code, name, kind, region, _key(seed, code))

    schools = [
        organisation(school_name(CITIES[region], place), "TRAINING", "52", region)
        for place, region in enumerate(regions)
    ]
    for school in schools:
        school.account = people.account(school.name)
    return Organisations(
        schools=schools,
        bodies=[
            organisation(body_name(CITIES[region], place), "ASSESSMENT", "91", region)
            for place, region in enumerate(bodies)
        ],
        bank=organisation(bank_name(), "BANK", "91", "350100"),
        stranger=organisation("未登记培训点", "TRAINING", "52", "350100"),
    )


def _key(seed: int, code: str) -> Ed25519PrivateKey:
    """A key that follows from the seed: good for a demo, for nothing else."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"zeren-demo/{seed}/{code}".encode()).digest())


def levels_by_occupation(scope: set[tuple[str, str]]) -> list[dict[str, Any]]:
    """A scope as it is registered."""
    occupations = sorted({occupation for occupation, _ in scope})
    return [
        {"occupation_id": name, "levels": sorted(level for occupation, level in scope if occupation == name)}
        for name in occupations
    ]
