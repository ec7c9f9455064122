"""A database that was put back to an earlier point: no role of its service starts, and says why."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from joserfc.jwk import OKPKey

from shared.eventstore.sql import SqlStore, make_engine
from shared.messaging.connect import KafkaAccess
from shared.runtime.migrate import migrate
from shared.vault.keyfile import create_key_file
from tests.component.messaging.test_relay import append, relaying, until
from zeren.stack.paths import CHECKOUT

STORE_BEHIND = 4


def environment(servers, url: str, folder) -> dict[str, str]:
    """The settings of enrolment on this database."""
    create_key_file(folder / "master.key")
    public = OKPKey.generate_key("Ed25519", parameters={"kid": "k"}).as_dict(private=False)
    (folder / "jwks").write_text(json.dumps({"keys": [public]}))
    extra = {
        "DATABASE_URL": url,
        "MASTER_KEY_FILE": str(folder / "master.key"),
        "ISSUER_JWKS_FILE": str(folder / "jwks"),
        "POLICY_FOLDER": str(CHECKOUT / "policy"),
    }
    return {"PATH": os.environ["PATH"], **servers.service_environment("enrolment", extra)}


async def test_a_worker_on_a_database_that_was_put_back_refuses_to_start(servers, fresh_database, tmp_path):
    """Appending would use positions twice: the process ends with code 4 before it decides anything."""
    url = fresh_database(owner="enrolment")
    engine = make_engine(url)
    migrate(engine, CHECKOUT / "services" / "enrolment" / "migrations")
    store = SqlStore(engine)
    append(store, 20)
    admin = KafkaAccess(servers.kafka.bootstrap, servers.kafka.user, servers.kafka.password)
    async with relaying(store, admin) as relay:
        await until(lambda: relay.cursor == 20)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE notification_id > 10")
    engine.dispose()

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.enrolment", "--roles", "worker"),
        cwd=CHECKOUT,
        env=environment(servers, url, tmp_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == STORE_BEHIND, said.decode()
    assert "数据库落后于 Kafka" in said.decode()
    assert "zeren recover enrolment" in said.decode()
