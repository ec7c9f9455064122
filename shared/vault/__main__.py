"""`python -m shared.vault setup`: makes the vault ready before any service starts, as its owner."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

from shared.vault.database import make_engine
from shared.vault.directory import Directory, Handler
from shared.vault.keyfile import create_key_file, read_key_file
from shared.vault.migrate import migrate
from shared.vault.vault import Vault

NAMES = ("VAULT_OWNER_URL", "VAULT_MASTER_KEY_FILE", "VAULT_DIRECTORY_FILE")


def setup(owner_url: str, key_file: Path, directory_file: Path) -> int:
    """Migrates, makes the master key unless there is one, enters the handlers. Returns how many handlers."""
    migrate(owner_url)
    if not key_file.exists():
        create_key_file(key_file)
    with directory_file.open("rb") as file:
        rows = tomllib.load(file)["handlers"]
    handlers = [
        Handler(
            handler_id=row["id"],
            name=row["name"],
            post=row["post"],
            organisation=row["organisation"],
            duties=tuple(row["duties"]),
        )
        for row in rows
    ]
    Directory(Vault(make_engine(owner_url), read_key_file(key_file))).upsert(handlers)
    return len(handlers)


def main() -> int:
    """Exit code 0 when the vault is ready, 2 on a wrong call."""
    missing = [name for name in NAMES if not os.environ.get(name)]
    if sys.argv[1:] != ["setup"] or missing:
        listed = ", ".join(missing)
        sys.stderr.write(
            f"用法 / usage: python -m shared.vault setup；缺少环境变量 / missing: {listed or '-'}\n"
        )
        return 2
    owner, key, directory = (os.environ[name] for name in NAMES)
    count = setup(owner, Path(key), Path(directory))
    sys.stdout.write(f"保险库已就绪，{count} 名经办人员 / vault ready, {count} handlers\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
