"""The entry: which commands there are, and how an ending becomes an exit code.

0   done, or the answer is yes
1   the answer is no: rejected, refused, different, not verified
2   called wrongly
3   not running, or out of reach
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click
from click.exceptions import NoSuchCommand

from zeren.cli import usage

INTERRUPTED = 130

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("zeren.cli.stack", "启动本地全套服务 / start the whole local stack"),
    "down": ("zeren.cli.stack", "停止，数据保留 / stop it; the data stays"),
    "status": ("zeren.cli.status", "实时状态，先列异常 / what runs, live, what is wrong first"),
    "doctor": ("zeren.cli.stack", "检查本机条件 / check this machine and say what to do"),
    "logs": ("zeren.cli.stack", "查看日志 / show a process's log"),
    "reset": ("zeren.cli.stack", "停止并删除全部数据 / stop and delete all data"),
    "demo": ("zeren.demo.run", "演示：从签名文件到已支付、已入账 / signed files become paid, ledgered money"),
    "institution": (
        "zeren.cli.institution",
        "机构登记、密钥、报送、回执 / register, keys, publish, receipts",
    ),
    "validate": ("zeren.cli.documents", "离线校验文件 / check a file offline, with the services' codes"),
    "codes": ("zeren.cli.documents", "全部原因代码 / every reason code with its text"),
    "submit": ("zeren.cli.documents", "签名并报送 / sign and send the documents of a file"),
    "class": ("zeren.cli.training_class", "开班申请：清单、批准 / classes: list, approve"),
    "token": ("zeren.cli.people", "领取令牌 / a bearer token for a handler or a person"),
    "worklist": ("zeren.cli.people", "经办人员待办 / what waits for a handler"),
    "person": ("zeren.cli.people", "删除一人的个人信息 / erase a person's data"),
    "claim": ("zeren.cli.claim", "补贴申领 / claims"),
    "trace": ("zeren.cli.trace", "轨迹瀑布图与经过 / a claim's traces, and its history joined"),
    "audit": ("zeren.cli.audit", "重放与责任链 / replay a claim, and who is responsible"),
    "targets": ("zeren.cli.audit", "各地区目标任务进度 / each region against its target"),
    "ledger": ("zeren.cli.ledger", "在本机重算并核验账本 / recompute and verify the ledger here"),
    "parked": (
        "zeren.cli.parked",
        "停放的事实与报送：查看、重试、放弃 / what is parked: list, show, retry, discard",
    ),
    "resume": ("zeren.cli.parked", "让已停止的分区继续 / have stopped partitions read again"),
    "policy": ("zeren.cli.policy", "政策包 / policy packages"),
    "projection": ("zeren.cli.projection", "读模型：状态、重建、核验 / read models: status, rebuild, verify"),
    "backup": ("zeren.cli.backup", "备份全部数据库 / back up all databases"),
    "restore": ("zeren.cli.backup", "从备份恢复数据库 / put databases back from a backup"),
    "recover": ("zeren.cli.backup", "从 Kafka 补回缺失的事实 / put missing facts back from Kafka"),
    "resend": ("zeren.cli.backup", "重发事实到 Kafka / send facts to Kafka again"),
    "day": ("zeren.cli.day", "业务日期 / the business date"),
}
"""By name, the module that has a command of that name, and what `zeren --help` says of it."""

HIDDEN = {"issuer": "zeren.cli.processes", "bank": "zeren.cli.processes"}
"""Processes that `zeren up` starts."""


class Commands(click.Group):
    """Loads a command's module when it is called, so that help and small commands are quick."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All but the hidden ones, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, loaded; None if there is none of that name."""
        module = COMMANDS[cmd_name][0] if cmd_name in COMMANDS else HIDDEN.get(cmd_name)
        if module is None:
            return None
        loaded = importlib.import_module(module)
        found: Any = getattr(loaded, cmd_name, None) or loaded.main
        return found if isinstance(found, click.Command) else _passing_on(cmd_name, found)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; a mistyped name is compared with those that are loaded only when called."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            raise NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with their short texts, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in COMMANDS.items()])


def _passing_on(name: str, run: Callable[[Sequence[str]], int | None]) -> click.Command:
    """A command that hands its arguments to a function, which parses them itself and answers an exit code."""

    def callback(arguments: tuple[str, ...]) -> None:
        raise click.exceptions.Exit(run(arguments) or 0)

    return click.Command(
        name,
        callback=callback,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True, "help_option_names": []},
    )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="zeren", message="%(version)s", help="显示版本 / show the version")
def zeren() -> None:
    """责任：培训补贴，分分可追责 / Zeren: training-subsidy money, every fen traceable to people.

    退出码 / exit codes: 0 成功 done · 1 否 the answer is no · 2 用法 usage · 3 未运行 not running
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line and answers its exit code."""
    click.Context.formatter_class = usage.HelpPage
    try:
        code = zeren.main(
            args=None if arguments is None else list(arguments), prog_name="zeren", standalone_mode=False
        )
    except click.UsageError as error:
        click.echo(usage.told(error), err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("已中断 / interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        # Loaded only now: it knows the errors of every part, and so imports them all.
        told: tuple[int, str] | None = importlib.import_module("zeren.cli.failures").told(error)
        if told is None:
            raise
        click.echo(told[1], err=True)
        return told[0]
    return code if isinstance(code, int) else 0
