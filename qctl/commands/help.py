"""`qctl help`."""

from typing import Annotated

import typer

from qctl import exits, output
from qctl.context import Invocation
from qctl.exits import Exit, WrongUsage

EXAMPLES = ("qctl help exit-codes", "qctl help filters", "qctl help work")
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
_FILTERS = """\
A filter says which jobs are meant, wherever a command takes --where:

  queue:emails state:failed        both hold: terms are joined by a space
  tag:eu,us                        one of them will do
  -queue:low                       must not hold
  job:Send*                        * stands for anything
  error:~"timed? out"              ~ begins a regular expression
  tries>=3 age>5m runtime<250ms    numbers and times: : > >= < <=
  created>2027-01-31T09:00         an instant
  ended>=-1h due<+10m              an hour ago; ten minutes ahead
  "free text"                      stands in its id, class, queue, worker,
                                   error, tags or progress note, in any case

Quotes hold blanks, commas, * and the rest for themselves; within them, \\" is
a quote and \\\\ a backslash. In a shell put the whole filter in '...'.

Fields:

{fields}

A term on a value that is hidden, or not known, matches no job; with - in
front it matches. A regular expression has {pattern} characters and {repeats} repeats
at the most, repeats no group that repeats itself, and is tried on the first
{text} characters.

States, and queues named without *, are found by index, as is since when jobs
ended. All else is judged job by job, of the newest {most} at the most; where
there are more, the answer says so ("scanned_limit" in JSON)."""


def run(
    ctx: typer.Context,
    topic: Annotated[
        str | None, typer.Argument(metavar="[TOPIC]", help="A command, exit-codes, filters or config.")
    ] = None,
) -> None:
    """Explain a command, or exit-codes, filters or config.

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
    if topic == "filters":
        return _filters()
    root = ctx.find_root()
    if topic is None:
        return root.get_help()
    group = root.command
    command = group.get_command(root, topic)  # type: ignore[attr-defined]  # the root is always a group
    if command is None:
        raise WrongUsage(f"no help on {topic!r}", hint="a command, exit-codes, filters or config")
    with typer.Context(command, info_name=topic, parent=root) as own:
        return str(command.get_help(own))


def _filters() -> str:
    from qcore.filters import FIELDS
    from qcore.filters.values import PATTERN_MOST, REPEATS_MOST, TEXT_MOST
    from qcore.monitor.selection import SCAN_MOST

    return _FILTERS.format(
        fields="\n".join(f"  {field.name:<12}{field.help}" for field in FIELDS.values()),
        pattern=PATTERN_MOST,
        repeats=REPEATS_MOST,
        text=TEXT_MOST,
        most=f"{SCAN_MOST:,}",
    )
