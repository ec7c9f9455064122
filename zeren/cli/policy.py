"""Policy packages: dated data with citations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from shared.policy.describe import entry_rows, package_row, package_rows
from shared.policy.loading import check_folder, load_packages
from shared.policy.package import PolicyPackage
from zeren.cli.output import console, fail, json_option, print_json, print_table
from zeren.stack.whole import POLICY_FOLDER

folder_option: Callable[..., Any] = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=POLICY_FOLDER,
    help="政策包目录 / the folder of packages (default: this project's)",
)


@click.group()
def policy() -> None:
    """政策包 / Policy packages: dated data with citations, no code."""


@policy.command("list")
@folder_option
@json_option
def list_packages(folder: Path, *, as_json: bool) -> None:
    """全部政策包 / Every package version, with its marks."""
    rows = package_rows(load_packages(folder))
    if as_json:
        print_json({"packages": msgspec.to_builtins(rows)})
        return
    columns = (
        "政策包 / package",
        "名称 / title",
        "区域 / region",
        "内容 / kinds",
        "有效期 / in force",
        "标记 / marks",
        "SHA-256",
    )
    print_table(
        f"{len(rows)} 个政策包 / packages",
        columns,
        (
            (
                one.name,
                one.zh,
                one.region,
                " ".join(one.kinds),
                one.in_force,
                " ".join(one.marks),
                one.sha256[:12],
            )
            for one in rows
        ),
    )


@policy.command("check")
@folder_option
@json_option
def check(folder: Path, *, as_json: bool) -> None:
    """检查政策包，列出全部问题 / Check the packages and list everything wrong; exit code 1 if anything is."""
    problems = [str(problem) for problem in check_folder(folder)]
    if as_json:
        print_json({"ok": not problems, "problems": problems})
    else:
        for problem in problems:
            click.echo(problem)
        if not problems:
            click.echo(f"{len(load_packages(folder).packages())} 个政策包均合格 / all packages are sound")
    if problems:
        raise click.exceptions.Exit(1)


@policy.command("show")
@click.argument("package")
@folder_option
@json_option
def show(package: str, folder: Path, *, as_json: bool) -> None:
    """一个政策包的全部条目（名称，或 名称@版本） / Every entry of a package, by NAME or NAME@VERSION."""
    found = _find(package, folder)
    head, rows = package_row(found), entry_rows(found)
    if as_json:
        print_json({**msgspec.to_builtins(head), "entries": msgspec.to_builtins(rows)})
        return
    screen = console()
    screen.print(f"{head.name}  {head.zh} / {head.en}  {' '.join(head.marks)}")
    screen.print(f"{head.document}  {head.in_force}  SHA-256 {head.sha256}")
    columns = ("条目 / entry", "内容", "content", "条文 / citation", "标记 / marks")
    print_table("", columns, ((one.entry, one.zh, one.en, one.citation, " ".join(one.marks)) for one in rows))


def _find(package: str, folder: Path) -> PolicyPackage:
    name, _, version = package.partition("@")
    try:
        return load_packages(folder).package(name, int(version) if version else None)
    except (KeyError, ValueError):
        fail(1, f"没有政策包 {package}：见 zeren policy list / no package {package}: see zeren policy list")
