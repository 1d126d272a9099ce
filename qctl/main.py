"""The command line: a table of commands, of which only the one called is imported."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn, cast

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.exceptions import TyperException

from qcore.errors import ConfigurationError, QueueError
from qctl import __version__, exits, output
from qctl import format as fmt
from qctl.completing import complete_shell, rejoin, words_to_complete
from qctl.context import GLOBAL_OPTIONS, GlobalOption, InsideCall, Invocation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from typer._click import Context
    from typer.models import CallbackParam

    from qctl.console.finding import Own, OwnCommands


class Entry(NamedTuple):
    """One command: the module in `qctl.commands` whose `run` it is, and its line in the list."""

    module: str
    help: str


COMMANDS = {
    "work": Entry("work", "Run workers under a supervisor."),
    "supervise": Entry("supervise", "Run the balanced pools of the configuration."),
    "workers": Entry("workers", "List the workers there are."),
    "top": Entry("top", "Watch queues, workers and jobs, and act on them."),
    "dashboard": Entry("dashboard", "Show Horizon's pages and more, here or in a browser."),
    "stats": Entry("stats", "Show how many jobs are where."),
    "metrics": Entry("metrics", "Show how many jobs ended, and how long they ran and waited."),
    "metrics:serve": Entry("metrics_serve", "Serve the figures to Prometheus."),
    "health": Entry("health", "Check whether all is well."),
    "monitor": Entry("monitor", "Watch the size and wait of queues, and tell of what is too much."),
    "jobs": Entry("jobs", "List jobs by state."),
    "tail": Entry("tail", "Follow what happens to jobs, as it happens, until Ctrl-C."),
    "show": Entry("show", "Show all that is known of one job."),
    "tags": Entry("tags", "Count jobs by tag, or keep an eye on some tags."),
    "dispatch": Entry("dispatch", "Dispatch a job from the shell."),
    "failed": Entry("failed", "List failed jobs, or act on all that match."),
    "retry": Entry("retry", "Put failed jobs back in their queues."),
    "release": Entry("release", "Let jobs that wait run now, or at another time."),
    "move": Entry("move", "Let jobs go to another queue."),
    "cancel": Entry("cancel", "Let jobs not run, or stop running."),
    "forget": Entry("forget", "Drop failed jobs."),
    "flush": Entry("flush", "Drop all failed jobs, or those of a queue or an age."),
    "prune": Entry("prune", "Drop what ended long ago."),
    "clear": Entry("clear", "Drop the waiting jobs of queues."),
    "restore": Entry("restore", "Bring back what was dropped within the last day."),
    "pause": Entry("pause", "Let queues give no jobs, or workers take none."),
    "resume": Entry("resume", "Let paused queues or workers go on."),
    "batches": Entry("batches", "List batches, and how far each is."),
    "batch": Entry("batch", "Show a batch, or cancel, retry, close or prune some."),
    "chains": Entry("chains", "List chains and graphs, and how far each is."),
    "chain": Entry("chain", "Show the steps of a chain, or cancel, retry or prune some."),
    "locks": Entry("locks", "List the locks of jobs, or free some."),
    "limits": Entry("limits", "List the limits by which jobs start, and what is left of each."),
    "restart": Entry("restart", "Let workers begin anew, with the code of now."),
    "terminate": Entry("terminate", "Let workers end after their running jobs."),
    "stack": Entry("stack", "Show where the code of a worker is at this moment."),
    "scale": Entry("scale", "Let a supervisor have a worker process more or less."),
    "migrate": Entry("migrate", "Make or update the tables of the store."),
    "key:generate": Entry("key_generate", "Make an app key."),
    "key:rotate": Entry("key_rotate", "Seal what is stored anew, under the key in force."),
    "doctor": Entry("doctor", "Tell all that a report of a bug needs, without secrets."),
    "config": Entry("config", "Show the settings in force and where each comes from."),
    "new": Entry("new", "Write a new project, ready to run."),
    "make:job": Entry("make_job", "Write a new job and its test."),
    "make:workflow": Entry("make_workflow", "Write a new workflow and its test."),
    "make:middleware": Entry("make_middleware", "Write a new middleware and its test."),
    "make:command": Entry("make_command", "Write a new command of qctl and its test."),
    "demo:load": Entry("demo_load", "Let a made-up shop live on the store, to try things out."),
    "help": Entry("help", "Explain a command, or exit-codes, filters or config."),
    "version": Entry("version", "Show versions."),
}

ALIASES = {  # to a command, and words that are put before those of the line
    "queue:work": "work",
    "queue:top": "top",
    "queue:dashboard": "dashboard",
    "queue:stats": "stats",
    "queue:metrics": "metrics",
    "queue:health": "health",
    "queue:monitor": "monitor",
    "queue:jobs": "jobs",
    "queue:show": "show",
    "queue:tail": "tail",
    "queue:tags": "tags",
    "events": "tail",
    "job": "show",
    "quiet": "pause --is-worker",
    "worker:stop": "terminate",
    "worker:restart": "restart",
    "queue:dispatch": "dispatch",
    "queue:failed": "failed",
    "queue:retry": "retry",
    "queue:release": "release",
    "queue:move": "move",
    "queue:cancel": "cancel",
    "queue:forget": "forget",
    "queue:restore": "restore",
    "queue:flush": "flush",
    "queue:prune": "prune",
    "queue:prune-failed": "prune --failed",
    "queue:clear": "clear",
    "queue:pause": "pause",
    "queue:resume": "resume",
    "queue:continue": "resume",
    "continue": "resume",
    "queue:batches": "batches",
    "queue:chains": "chains",
    "queue:retry-batch": "batch retry",
    "queue:prune-batches": "batch prune",
    "queue:locks": "locks",
    "queue:limits": "limits",
    "queue:restart": "restart",
    "queue:workers": "workers",
    "horizon": "supervise",
    "horizon:list": "workers",
    "horizon:pause": "pause --worker *",
    "horizon:continue": "resume --worker *",
    "horizon:terminate": "terminate --all",
    "db:migrate": "migrate",
    "queue:migrate": "migrate",
    "key-generate": "key:generate",
    "key-rotate": "key:rotate",
}
_NAMES = {*COMMANDS, *ALIASES}


class LazyGroup(TyperGroup):
    """The commands of the table, each built at the moment it is called."""

    told_before = ""
    """What of a command's name a shell completes by itself."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.params.extend(_global_options(TyperOption))

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002  the group's own signature
        """Every command by name, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> TyperCommand | None:
        """Build one command: the user's own of that name, else import the built-in one of that name or alias."""
        name, *_ = _meant(cmd_name)
        own, entry = _own_of(ctx, cmd_name), COMMANDS.get(name)
        from qctl import building

        if own is not None:
            shadowed = frozenset({cmd_name} & {*COMMANDS, *ALIASES})
            command = building.own(cmd_name, own, partial(run_inside, shadowed=shadowed))
        elif entry is not None:
            command = building.built_in(name, entry.module, entry.help)
        else:
            return None
        taken = {option for param in command.params for option in param.opts}
        command.params.extend(_global_options(_UnlistedOption, taken))
        return command

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str, TyperCommand | None, list[str]]:
        """Find the command that the first argument names, or say what was probably meant."""
        if _own_of(ctx, args[0]) is None and args[0] not in _NAMES and ":".join(args[:2]) in _NAMES:
            args = [":".join(args[:2]), *args[2:]]  # `make job` is `make:job`
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            raise _unknown(ctx, args[0])
        name, *before = [args[0]] if _own_of(ctx, args[0]) else _meant(args[0])
        return name, command, [*before, *args[1:]]

    def format_commands(self, ctx: Context, formatter: Any) -> None:
        """List the commands from the table alone, and those of the user's application where one is configured."""
        own = _found(ctx)
        with formatter.section("Commands"):
            taken = own.commands if own else {}
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items() if name not in taken])
        if own is None:
            return
        told = [(name, fmt.printable(one.description)) for name, one in own.commands.items()]
        told += [(fmt.printable(name), f"Broken: {fmt.printable(why.message)}") for name, why in own.broken.items()]
        if told or own.failure:
            with formatter.section(f"Commands of {fmt.printable(own.app)}" if own.app else "Commands of your own"):
                if own.failure:
                    formatter.write_text(f"None: {fmt.printable(own.failure.message)}")
                else:
                    formatter.write_dl(told)

    def shell_complete(self, ctx: Context, incomplete: str) -> list[Any]:
        """Complete a command's name, built in or the user's, or an option."""
        from typer._click.shell_completion import CompletionItem

        own = _found(ctx)
        told = {name: entry.help for name, entry in COMMANDS.items()}
        told |= {name: one.description for name, one in own.commands.items()} if own else {}
        names = [
            CompletionItem(name.removeprefix(self.told_before), help=fmt.printable(line))
            for name, line in told.items()
            if name.startswith(incomplete)
        ]
        return names + super(TyperGroup, self).shell_complete(ctx, incomplete)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run one call and leave with its exit code; the only place where an error ends."""
        del standalone_mode, windows_expand_args, extra  # this is no library: it always runs by itself
        words = list(sys.argv[1:] if args is None else args)
        words[:1] = ["--show-completion"] if words[:1] == ["completion"] else words[:1]
        call = Invocation(output.show_logs)
        self.told_before = rejoin(os.environ)
        call.words = tuple(words) or words_to_complete()
        self._main_shell_completion({"obj": call}, prog_name or "qctl", complete_var)
        self.run_and_leave(call, words)

    def run_and_leave(self, call: Invocation, words: list[str]) -> NoReturn:
        """Run one call and leave with its exit code."""
        try:
            code = self.run_words(call, words)
        except BrokenPipeError:  # the reader has seen enough
            output.let_go()
            code = exits.Exit.OK
        sys.exit(int(code))

    def run_words(self, call: Invocation, words: list[str]) -> int:
        """Run one call and return its exit code; every error but a broken pipe ends here."""
        try:
            if complete_shell(words):
                return exits.Exit.OK
            with self.make_context("qctl", words, obj=call) as ctx:
                return self.invoke(ctx) or exits.Exit.OK
        except typer.Exit as end:
            return end.exit_code
        except BrokenPipeError:
            raise
        except (KeyboardInterrupt, typer.Abort):
            return output.complain(call, KeyboardInterrupt())
        except TyperException as error:
            return output.complain(_told_of_json(call, words), exits.of_parser(error))
        except Exception as error:  # noqa: BLE001  every error ends here, as one line
            return output.complain(_told_of_json(call, words), error)
        finally:
            with suppress(Exception):  # whatever a command did is stored by now; a close loses nothing
                call.close()


def _meant(word: str) -> list[str]:
    """The command that a word stands for, and the words that it implies."""
    return ALIASES[word].split() if word in ALIASES else [word]


def _found(ctx: Context) -> OwnCommands | None:
    """What commands the user's application has; None where none is configured, and then nothing is imported."""
    call: Invocation = ctx.obj
    if call.own is None and call.may_have_an_app():
        from qctl.console.finding import find

        call.own = find(call, silently=ctx.resilient_parsing)
    return call.own


def _own_of(ctx: Context, name: str) -> Own | None:
    """The user's command of a name.

    Raises:
        ConfigurationError: there is one that cannot be run.
    """
    own = _found(ctx)
    if own is None or name in ctx.obj.shadowed:
        return None
    if name in own.broken and not ctx.resilient_parsing:
        raise own.broken[name]
    return own.commands.get(name)


def _unknown(ctx: Context, word: str) -> QueueError:
    own = _found(ctx)
    hint = _nearest(word, own.commands if own else ())
    if own and own.failure:
        return ConfigurationError(f"no built-in command {word!r}; {own.failure.message}", hint=own.failure.hint or hint)
    return exits.WrongUsage(f"no command {word!r}", hint=hint)


def _nearest(word: str, own: Iterable[str]) -> str:
    meant = get_close_matches(word, [*own, *COMMANDS, *ALIASES], n=1)
    return f"did you mean {meant[0]!r}?" if meant else "qctl --help lists the commands"


def _told_of_json(call: Invocation, words: list[str]) -> Invocation:
    """A line that was not parsed to its end may still have asked for JSON; an error should come as it."""
    if call.flags.output is None and ("--json" in words or ("-o", "json") in pairwise(words)):
        call.note("output", "json")
    return call


def run_inside(outer: Invocation, words: Sequence[str], *, shadowed: frozenset[str] = frozenset()) -> int:
    """Run a command from inside of another.

    Args:
        outer: the call of that other.
        words: the command and what it is given.
        shadowed: names that mean the built-in command, whatever the user's are called.

    Returns:
        Its exit code.
    """
    call = InsideCall(outer)
    call.shadowed |= shadowed
    code = cast("LazyGroup", typer.main.get_command(app)).run_words(call, list(words))
    if code == exits.Exit.INTERRUPTED:  # whoever interrupts means the whole
        raise typer.Exit(code)
    return int(code)


class _UnlistedOption(TyperOption):
    """An option that works and completes, but stands in another page's help."""

    def get_help_record(self, ctx: Context) -> None:
        """Leave it out."""


def _global_options(kind: type[TyperOption], taken: Collection[str] = ()) -> list[TyperOption]:
    """The global options, but for the names that a command has taken for itself."""
    left = [(option, [name for name in option.names if name not in taken]) for option in GLOBAL_OPTIONS]
    return [_global_option(option, names, kind) for option, names in left if names]


def _global_option(option: GlobalOption, names: list[str], kind: type[TyperOption]) -> TyperOption:
    return kind(
        param_decls=names,
        help=option.help,
        metavar=option.metavar,
        is_flag=option.metavar is None and not option.counts,
        count=option.counts,
        type=int if option.counts else None,
        callback=partial(_note, option),
        expose_value=False,
        show_default=False,
        autocompletion=lambda _ctx, _args, begun: [one for one in option.choices if one.startswith(begun)],
    )


def _note(option: GlobalOption, ctx: typer.Context, param: CallbackParam, value: Any) -> None:
    """Carry a global option to the invocation, from before or after the command."""
    if not value or ctx.resilient_parsing:
        return
    if option.choices and value not in option.choices:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(option.choices)}", ctx=ctx, param=param)
    ctx.obj.note(option.field, option.constant if option.metavar is None and not option.counts else value)


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", "-V", help="Show the version.")] = False,
) -> None:
    """Run, watch and mend job queues.

    Without any configuration the store is the SQLite file queue.db in this folder.
    """
    if version:
        output.write(f"qctl {__version__}\n")
    elif ctx.invoked_subcommand is None:
        output.write(ctx.get_help() + "\n")


def run() -> NoReturn:
    """Run the call in `sys.argv`."""
    cast("LazyGroup", typer.main.get_command(app)).main()
