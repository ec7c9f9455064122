"""Invented people and the names of invented organisations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from zeren.generator.identifiers import account, national_id, phone

_SURNAMES = "陈林黄张吴李郑王刘苏蔡杨叶许邱卢余潘詹方池缪阮游魏龚赖廖简巫"
_GIVEN = "梓榕茉芩澜岚砚泽桐椿槿荔柚笙筠翊骐骏朗恺旻晏昕曦皓钧铎锴润沐汐浔漪莹琮瑾璟禾穗粟"
_PLACES = ("榕荫", "鹭屿", "刺桐", "丹荔", "沙溪", "水仙", "武夷岭", "土楼里", "白茶坡", "石牌洋")
_FURTHER = ("茉莉巷", "筼筜里", "洛阳桥边", "九龙滩", "鼓岭下", "同安渡", "清源麓")
_BANKS = ("榕树示范银行", "茉莉示范银行", "荔枝示范银行")
YOUNGEST = date(2005, 12, 31)
OLDEST = date(1965, 1, 1)


@dataclass(frozen=True, slots=True)
class Account:
    """A bank account; only its number is personal."""

    number: str
    holder: str
    bank: str


@dataclass(frozen=True, slots=True)
class Person:
    """An invented person with everything personal that the run may show."""

    name: str
    national_id: str
    phone: str
    account: Account


class People:
    """Makes persons, each different, and remembers every personal value for the scan of the run."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._names: set[str] = set()
        self._numbers: set[str] = set()
        self.personal: list[tuple[str, str]] = []

    def person(self, born: date | None = None) -> Person:
        """A new person; without a birth date an adult well inside the age limits."""
        born = born or OLDEST + timedelta(self._rng.randrange((YOUNGEST - OLDEST).days))
        name = self._fresh(self._names, self._name)
        number = self._fresh(self._numbers, lambda: national_id(self._rng, born))
        made = Person(name, number, phone(self._rng), self.account(name))
        for kind, value in (("name", name), ("national_id", number), ("phone", made.phone)):
            self.remember(kind, value)
        return made

    def account(self, holder: str) -> Account:
        """A new account in the holder's name."""
        made = Account(account(self._rng), holder, self._rng.choice(_BANKS))
        self.remember("account", made.number)
        return made

    def other_phone(self) -> str:
        """Another phone number of someone known."""
        number = phone(self._rng)
        self.remember("phone", number)
        return number

    def remember(self, kind: str, value: str) -> None:
        """A personal value that some record of the run will carry."""
        self.personal.append((kind, value))

    def _name(self) -> str:
        first, second = self._rng.sample(_GIVEN, 2)
        return self._rng.choice(_SURNAMES) + first + second

    def _fresh(self, taken: set[str], make: Callable[[], str]) -> str:
        while True:
            value = make()
            if value not in taken:
                taken.add(value)
                return value


def school_name(city: str, place: int) -> str:
    """The name of the n-th training institution."""
    kinds = ("职业培训学校", "职业技能培训中心")
    return f"{city}{(_PLACES + _FURTHER)[place]}{kinds[place % 2]}"


def body_name(city: str, place: int) -> str:
    """The name of the n-th assessment body."""
    return f"{city}{_PLACES[place]}职业技能评价中心"


def bank_name() -> str:
    """The bank that pays."""
    return _BANKS[0]
