"""Settings from the environment, read once, by name, with a clear word about what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

S = TypeVar("S", bound="ServiceSettings")


class SettingsMissing(RuntimeError):
    """Environment variables that must be set, by name."""

    def __init__(self, names: list[str]) -> None:
        listed = ", ".join(names)
        super().__init__(
            f"缺少环境变量：{listed}（请用 zeren up 启动，或自行设置）/ missing settings: {listed}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What every service needs. Secrets have no defaults and are not shown.

    Attributes:
        database_url: of the service's own database.
        vault_url: of the vault, under the role of this service.
        kafka_user: the service's principal.
        http_port: on 127.0.0.1.
        metrics_port: on 127.0.0.1, where a process without the api role serves its health and metrics; 0: it doesn't.
        master_key_file: the vault's master keys, mode 0600.
        issuer_jwks_file: public keys of the token issuer.
        policy_folder: the policy packages.
        rate_per_second: requests that one actor may make in the long run.
        rate_burst: requests that one actor may make at once.
    """

    database_url: str = field(repr=False)
    vault_url: str = field(repr=False)
    kafka_bootstrap: str
    kafka_user: str
    kafka_password: str = field(repr=False)
    http_port: int
    master_key_file: Path
    issuer_jwks_file: Path
    policy_folder: Path
    metrics_port: int = 0
    rate_per_second: int = 1_000
    rate_burst: int = 2_000


def read_settings(cls: type[S], prefix: str, environ: Mapping[str, str]) -> S:
    """The settings of a class from variables named `<PREFIX>_<FIELD>`. Raises: SettingsMissing."""
    hints = get_type_hints(cls)
    names = {each.name: f"{prefix.upper()}_{each.name.upper()}" for each in fields(cls)}
    needed = {each.name for each in fields(cls) if each.default is MISSING}
    missing = [names[name] for name in names if name in needed and not environ.get(names[name])]
    if missing:
        raise SettingsMissing(missing)
    values: dict[str, Any] = {
        name: hints[name](environ[variable]) for name, variable in names.items() if environ.get(variable)
    }
    return cls(**values)
