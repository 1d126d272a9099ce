"""`qctl help`."""

from typing import Annotated

import typer

from qctl import exits, output
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

EXAMPLES = ("qctl help exit-codes", "qctl help work")
EXITS = (Exit.USAGE,)
_CONFIG = """\
Where settings come from; the first that says one wins:

  1. flags                   qctl --url redis://localhost/0 stats
  2. QCTL_* variables        QCTL_URL, QCTL_APP, QCTL_CONNECTION, QCTL_KEY, ...
  3. one file                --config, QCTL_CONFIG, qctl.toml, [tool.qctl] in
                             pyproject.toml, ~/.config/qctl/config.toml; the
                             first there is
  4. the module --app names  QUEUE_CONFIG and STORES
  5. defaults                the SQLite file queue.db in this folder

A qctl.toml:

  url = "postgresql+psycopg://app@db/shop"
  app = "shop.queues"

  [worker]
  queue = "high,default"

  [profile.prod]                # qctl --profile prod
  url = "redis://cache:6379/0"
  env = "production"            # qctl clear asks for the queue's name

qctl config shows each setting in force, and where it comes from."""


def run(
    ctx: typer.Context,
    topic: Annotated[str | None, typer.Argument(metavar="[TOPIC]", help="A command, exit-codes or config.")] = None,
) -> None:
    """Explain a command, or exit-codes or config.

    Without a topic the same as qctl --help.
    """
    output.show(Invocation.of(ctx), _report(ctx, topic))


def _report(ctx: typer.Context, topic: str | None) -> output.Report:
    text = _text(ctx, topic)
    return output.Report(schema="qctl.help/1", data={"topic": topic, "text": text}, text=text, name="topic")


def _text(ctx: typer.Context, topic: str | None) -> str:
    if topic == "exit-codes":
        return "\n".join(f"{int(code):4d}  {meaning}" for code, meaning in exits.MEANINGS.items())
    if topic == "config":
        return _CONFIG
    root = ctx.find_root()
    if topic is None:
        return root.get_help()
    group = root.command
    command = group.get_command(root, topic)  # type: ignore[attr-defined]  # the root is always a group
    if command is None:
        raise WrongUsage(f"no help on {topic!r}", hint="a command, exit-codes or config")
    with typer.Context(command, info_name=topic, parent=root) as own:
        return str(command.get_help(own))
