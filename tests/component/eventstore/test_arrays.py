"""Lists as parameters: the server reads the same values, whatever stands in them, as with the driver's own way."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from uuid import UUID

import psycopg
import pytest
from psycopg.types.array import ListDumper
from sqlalchemy import ARRAY, Text, Uuid, func, literal, select, text

from shared.eventstore.sql import driver_of

ONE, TWO = UUID(int=1), UUID(int=1 << 127)


class Letter(StrEnum):
    """No plain text, though it is one."""

    A = "a"


@pytest.fixture
def driver(engines):
    with engines().connect() as connection:
        yield driver_of(connection)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["", "汉字", "{a,b}", 'a"b\\c', "NULL"], "text[]"),
        ([str(ONE), str(TWO)], "uuid[]"),
        ([ONE, TWO], "uuid[]"),
        ([b"", b"\x00\xff", b"\\x00"], "bytea[]"),
        ([0, -1, 1 << 62, -(1 << 63)], "bigint[]"),
        ([1, None, -5], "int[]"),
        ([None, "a", None], "text[]"),
        ([None, None], "uuid[]"),
        ([], "text[]"),
        ([], "bytea[]"),
        ([True, False], "boolean[]"),
        ([date(2024, 5, 14), None], "date[]"),
        ([[1, 2], [3, 4]], "int[]"),
        ([Letter.A, Letter.A], "text[]"),
        ([1, 1 << 40], "bigint[]"),
        (["7", "8"], "int[]"),
    ],
)
def test_the_server_reads_what_the_drivers_own_way_would_give(driver, values, kind):
    """Compared with psycopg's text arrays, which take longer."""
    query = f"SELECT %s::{kind}"
    ours = driver.execute(query, (values,)).fetchone()
    with driver.cursor() as cursor:
        cursor.adapters.register_dumper(list, ListDumper)
        assert cursor.execute(query, (values,)).fetchone() == ours


def test_plain_lists_travel_in_binary(driver):
    """Or nothing would be gained: a list of bytes is as long as its bytes, not twice."""
    for values in (["a"], [b"a"], [ONE], [1], [None, "a"]):
        dumper = psycopg.adapt.Transformer(driver).get_dumper(values, psycopg.adapt.PyFormat.AUTO)
        assert dumper.format is psycopg.pq.Format.BINARY, values


def test_sqlalchemys_arrays_arrive(engines):
    """The vault and the read models hand theirs over through SQLAlchemy."""
    with engines().connect() as connection:
        texts = select(func.unnest(literal(["b", "a"], ARRAY(Text))))
        assert connection.scalars(texts).all() == ["b", "a"]
        assert connection.scalars(select(func.unnest(literal([TWO, ONE], ARRAY(Uuid))))).all() == [TWO, ONE]
        found = text("SELECT count(*) FROM unnest(CAST(:names AS text[])) AS t(n) WHERE n = ANY(:names)")
        assert connection.scalar(found, {"names": ["a", "b"]}) == 2


def test_what_does_not_fit_is_refused_by_the_driver_or_the_server(driver):
    """Nothing is cut short."""
    for values, kind in ((["a", 1], "text[]"), (["x"], "int[]"), (["a\0b"], "text[]")):
        with pytest.raises(psycopg.DataError):
            driver.execute(f"SELECT %s::{kind}", (values,))
        driver.rollback()
