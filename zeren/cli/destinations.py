"""Files and folders that a command will write, judged before it does anything: a reading of evidence is a fact."""

from __future__ import annotations

import os
from pathlib import Path

import click

from zeren.cli.output import fail

USAGE = 2


def new_file(_context: click.Context, _option: click.Parameter, file: Path) -> Path:
    """A file that isn't there, in a folder that takes one; else the command ends with exit code 2."""
    if file.exists() or file.is_symlink():
        fail(
            USAGE, f"{file} 已存在，不覆盖：请另选文件名 / it exists and is never overwritten: choose another"
        )
    if not file.parent.exists():
        fail(
            USAGE,
            f"没有目录 {file.parent}：请先建立，或另选 / there is no folder {file.parent}: make it, or choose another",
        )
    _demand_writable(file.parent)
    return file


def folder_to_fill(_context: click.Context, _option: click.Parameter, folder: Path | None) -> Path | None:
    """A folder that takes files, or can be made; else the command ends with exit code 2."""
    if folder is not None:
        above = folder.absolute()
        _demand_writable(next(one for one in (above, *above.parents) if one.exists()))
    return folder


def _demand_writable(folder: Path) -> None:
    if not folder.is_dir():
        fail(USAGE, f"{folder} 不是目录：请另选 / {folder} is no folder: choose another")
    if not os.access(folder, os.W_OK | os.X_OK):
        fail(
            USAGE,
            f"无权在目录 {folder} 中写入：请另选，或改其权限 / "
            f"the folder {folder} can't be written to: choose another, or change its rights",
        )
