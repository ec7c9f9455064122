"""Help, and a wrong call in words: Chinese first, then click's own English. A wrong call ends with exit code 2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import click
from click.exceptions import NoArgsIsHelpError, NoSuchCommand

_HEADINGS = {"Options": "选项 / Options", "Commands": "命令 / Commands"}
_HELP = "Show this message and exit."
_CLICKS_DATE, DATE = "%Y-%m-%d", "YYYY-MM-DD"
_PATH_FAULTS = {
    "does not exist.": "不存在",
    "is a directory.": "是目录，不是文件",
    "is a file.": "是文件，不是目录",
    "is not readable.": "不可读",
}
"""What click says of a path, by the end of its words."""


class HelpPage(click.HelpFormatter):
    """A page of help whose own words, not only its commands', are Chinese first."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """How the command is called."""
        super().write_usage(prog, args, "用法 / Usage: " if prefix is None else prefix)

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """A headed part of the page."""
        with super().section(_HEADINGS.get(name, name)):
            yield

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Options or commands with what they are."""
        told = [(name, "显示本页 / show this page" if text == _HELP else text) for name, text in rows]
        super().write_dl(told, col_max, col_spacing)


def told(error: click.UsageError) -> str:
    """What was wrong, how the command is called, and where its help is."""
    if isinstance(error, NoArgsIsHelpError):
        return error.format_message()
    english = " ".join(error.format_message().split()).replace(_CLICKS_DATE, DATE)
    lines = [f"{_chinese(error)} / {english}"]
    if error.ctx is not None:
        lines += [error.ctx.get_usage(), f"说明 / help: {error.ctx.command_path} --help"]
    return "\n".join(lines)


def _chinese(error: click.UsageError) -> str:
    if isinstance(error, NoSuchCommand):
        return f"没有命令 {error.command_name!r}{_meant(error.possibilities)}"
    if isinstance(error, click.NoSuchOption):
        return f"没有选项 {error.option_name!r}{_meant(error.possibilities)}"
    if isinstance(error, click.MissingParameter):
        kind = "参数" if error.param_type == "argument" or isinstance(error.param, click.Argument) else "选项"
        wanted = _wanted(error)
        return f"缺少{kind} {_name(error)}{f'，{wanted}' if wanted else ''}"
    if isinstance(error, click.BadParameter):
        why = _path_fault(error) or _wanted(error)
        return f"{_name(error)} 的值无效{f'：{why}' if why else ''}"
    if isinstance(error, click.BadOptionUsage):
        return f"选项 {error.option_name!r} 缺少其值，或不应有值"
    return "参数多余或不全"


def _meant(possibilities: Sequence[str] | None) -> str:
    """What the caller may have meant; "" where nothing comes near."""
    return f"，是否指 {'、'.join(map(repr, possibilities))}？" if possibilities else ""


def _name(error: click.BadParameter) -> str:
    return "" if error.param is None else error.param.get_error_hint(error.ctx)


def _path_fault(error: click.BadParameter) -> str:
    """Which file or folder is at fault and how; "" where it is none that is."""
    if error.param is None or not isinstance(error.param.type, click.Path):
        return ""
    named = error.message.partition("'")[2].rpartition("'")[0]
    return next((f"{named} {zh}" for end, zh in _PATH_FAULTS.items() if error.message.endswith(end)), "")


def _wanted(error: click.BadParameter) -> str:
    """What may stand there, as far as its type says; "" where the type says nothing."""
    kind = None if error.param is None else error.param.type
    if isinstance(kind, click.Choice):
        return f"可选 {'、'.join(map(str, kind.choices))}"
    if isinstance(kind, click.IntRange | click.FloatRange):
        least = "" if kind.min is None else f"，不小于 {kind.min}"
        return f"须为数{least}{'' if kind.max is None else f'，不大于 {kind.max}'}"
    if isinstance(kind, click.DateTime):
        return f"日期须写作 {' 或 '.join(kind.formats).replace(_CLICKS_DATE, f'{DATE}，如 2024-05-14')}"
    if isinstance(kind, click.Path):
        return _path_wanted(kind)
    if kind is click.INT:
        return "须为整数"
    return "须为 UUID" if kind is click.UUID else ""


def _path_wanted(kind: click.Path) -> str:
    what = "路径" if kind.dir_okay and kind.file_okay else "目录" if kind.dir_okay else "文件"
    return f"须给出一个已存在且可读的{what}" if kind.exists else f"须给出一个{what}"
