"""What one call of `qctl` works with: its flags and, from the moment they are asked for, manager and monitor."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qcore import dispatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import typer

    from qcore.config import ConnectionSettings, OutputSettings, Settings
    from qcore.manager import QueueManager
    from qcore.monitor import Metrics, Monitor
    from qcore.monitor.actions import Actions
    from qcore.monitor.flows import FlowMonitor
    from qcore.monitor.tags import Tags
    from qctl.console.finding import OwnCommands

FORMATS = ("table", "json", "ndjson", "csv", "plain", "name")
COLORS = ("auto", "always", "never")


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The global options, as given; None or empty where a call gave none."""

    url: str | None = None
    connection: str | None = None
    app: str | None = None
    config: str | None = None
    profile: str | None = None
    output: str | None = None
    format: str | None = None
    color: str | None = None
    ascii: bool | None = None
    quiet: bool = False
    verbose: int = 0
    debug: bool = False
    yes: bool = False
    no_interaction: bool = False


class GlobalOption(NamedTuple):
    """One global option: accepted before and after the command."""

    names: tuple[str, ...]
    field: str
    """The field of `Flags` that it sets."""
    help: str
    metavar: str | None = None
    """None for a flag."""
    constant: Any = True
    """What a flag sets."""
    choices: tuple[str, ...] = ()
    counts: bool = False
    """How often it is given is its value."""


GLOBAL_OPTIONS = (
    GlobalOption(("--url",), "url", "The store: sqlite:///queue.db, redis://..., postgresql+psycopg://...", "URL"),
    GlobalOption(("--connection", "-c"), "connection", "The configured connection to use.", "NAME"),
    GlobalOption(("--app",), "app", "The module that holds jobs and queues.", "MODULE"),
    GlobalOption(("--config",), "config", "A configuration file instead of qctl.toml.", "FILE"),
    GlobalOption(("--profile", "-P"), "profile", "A [profile.NAME] of the configuration file.", "NAME"),
    GlobalOption(("--json",), "output", "The same as -o json.", constant="json"),
    GlobalOption(("--output", "-o"), "output", "How to print: " + ", ".join(FORMATS) + ".", "FORMAT", choices=FORMATS),
    GlobalOption(("--format",), "format", "A line for each item, such as '{id} {queue}'.", "TEMPLATE"),
    GlobalOption(("--color",), "color", "auto, always or never.", "WHEN", choices=COLORS),
    GlobalOption(("--no-color",), "color", "The same as --color never.", constant="never"),
    GlobalOption(("--ascii",), "ascii", "Draw with ASCII alone."),
    GlobalOption(("--quiet", "-q"), "quiet", "Data and errors, nothing else."),
    GlobalOption(("--verbose", "-v"), "verbose", "Say more on stderr; twice for still more.", counts=True),
    GlobalOption(("--debug",), "debug", "Show the traceback of an error."),
    GlobalOption(("--yes", "-y"), "yes", "Confirm what would be asked."),
    GlobalOption(("--no-interaction", "-n"), "no_interaction", "Ask nothing: take defaults, or end with exit 6."),
)


class Invocation:
    """One call of `qctl`. Opens nothing until asked, so that a light command stays light.

    Args:
        on_open: called before the configuration is read, when all flags are known.
        flags: what the command line said; `note` adds to it while the line is parsed.
    """

    def __init__(self, on_open: Callable[[Invocation], None] | None = None, flags: Flags | None = None) -> None:
        self.flags = flags or Flags()
        self.own: OwnCommands | None = None
        """The user's commands, once they were looked for."""
        self.shadowed: frozenset[str] = frozenset()
        """Built-in names of the user's commands that run: inside of these they are the built-in ones again."""
        self.words: Sequence[str] = ()
        """The whole line, which may name the application behind the command."""
        self.on_open = on_open

    @staticmethod
    def of(ctx: typer.Context) -> Invocation:
        """The call that a command belongs to."""
        call = ctx.obj
        assert isinstance(call, Invocation)  # noqa: S101  main puts nothing else there
        return call

    def note(self, field: str, value: Any) -> None:
        """Remember a global option; one that comes later on the line wins."""
        self.flags = replace(self.flags, **{field: value})

    def may_have_an_app(self) -> bool:
        """Whether an application module may be configured; imports nothing to find out."""
        flags = self.flags_of_the_line
        if flags.app or flags.config or os.environ.get("QCTL_APP") or os.environ.get("QCTL_CONFIG"):
            return True
        return any(map(_may_name_an_app, _places_of_configuration()))

    @property
    def flags_of_the_line(self) -> Flags:
        """The global options that the line has named so far, whatever follows."""
        told: dict[str, Any] = {}
        for word, following in pairwise([*self.words, ""]):
            name, equals, value = word.partition("=")
            if word == "--":
                break
            if name in _TELLING:
                told[_TELLING[name]] = value if equals else following
        return replace(self.flags, **told)

    def app_name(self) -> str | None:
        """The application module in force, told before the line is parsed to its end.

        Raises:
            ConfigurationError: the configuration contradicts itself or cannot be read.
        """
        flags = self.flags_of_the_line
        if app := flags.app or os.environ.get("QCTL_APP"):
            return app
        from qcore.config import load_settings

        return load_settings(config_file=flags.config, profile=flags.profile).app

    def prepare(self) -> None:
        """Make the manager of this call the default of the process, for code that asks for the one in force."""
        self.manager.install()

    @cached_property
    def manager(self) -> QueueManager:
        """The queue manager of the configuration that the flags lead to, installed as the process default.

        Raises:
            ConfigurationError: the configuration contradicts itself or cannot be read.
        """
        return self._open()

    def glance(self) -> QueueManager:
        """A manager of what the line says so far, for a look while it is typed; whoever asks closes it."""
        from qcore.manager.app import make_here_importable

        self.flags = self.flags_of_the_line
        make_here_importable()
        return self._built()

    def _open(self) -> QueueManager:
        from qcore.manager.app import make_here_importable

        if self.on_open is not None:
            self.on_open(self)
        make_here_importable()
        manager = self._built()
        self._before = manager.install()
        self._fill(manager.settings.output)
        return manager

    def _built(self) -> QueueManager:
        from qcore.manager import QueueManager

        given = {"url": self.flags.url, "connection": self.flags.connection, "app": self.flags.app}
        return QueueManager.open(
            {name: value for name, value in given.items() if value},
            config_file=Path(self.flags.config) if self.flags.config else None,
            profile=self.flags.profile,
        )

    def _fill(self, output: OutputSettings) -> None:
        """Let the configuration say how to print, where no flag did."""
        flags = self.flags
        is_asked = flags.output is not None or flags.format is not None
        self.flags = replace(
            flags,
            output=flags.output if is_asked else output.format,
            color=flags.color or output.color,
            ascii=output.ascii if flags.ascii is None else flags.ascii,
        )

    @cached_property
    def monitor(self) -> Monitor:
        """The read side."""
        from qcore.monitor import Monitor

        return Monitor(self.manager)

    @cached_property
    def actions(self) -> Actions:
        """What an operator may do."""
        from qcore.monitor.actions import Actions

        return Actions(self.manager, self.flags.connection)

    @cached_property
    def metrics(self) -> Metrics:
        """What was measured of jobs."""
        from qcore.monitor import Metrics

        return Metrics(self.manager)

    def exposition(self) -> bytes:
        """Everything that Prometheus may want to know, in its text format."""
        from qcore.monitor.prometheus import exposition

        return exposition(self.manager)

    @cached_property
    def flows(self) -> FlowMonitor:
        """Batches, chains and graphs."""
        from qcore.monitor.flows import FlowMonitor

        return FlowMonitor(self.manager, self.flags.connection)

    @cached_property
    def tags(self) -> Tags:
        """The tags of jobs."""
        from qcore.monitor.tags import Tags

        return Tags(self.manager, self.flags.connection)

    def actions_on(self, connection: str) -> Actions:
        """What an operator may do on one connection."""
        from qcore.monitor.actions import Actions

        return Actions(self.manager, connection)

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        return self.manager.settings

    @property
    def connection(self) -> ConnectionSettings:
        """The connection in force: the one asked for, or the default."""
        return self.settings.connection(self.flags.connection)

    def connection_of(self, queue: str) -> ConnectionSettings:
        """The connection of a queue: the one asked for, else the queue's own."""
        return self.connection if self.flags.connection else self.manager.connection_of(queue)

    def connections_in_use(self) -> list[str]:
        """The one asked for; else all that are in use."""
        return [self.connection.name] if self.flags.connection else self.manager.connections_in_use()

    def connections_for(self, queue: str | None) -> list[str]:
        """The connections that may hold a queue's jobs; for None all in use."""
        return self.connections_in_use() if queue is None else [self.connection_of(queue).name]

    def backend(self) -> dict[str, Any]:
        """The store in force, for reports; no password in its URL."""
        from qcore.config import mask_url

        found = self.connection
        return {"connection": found.name, "driver": found.driver, "url": mask_url(found.url), "latency_ms": None}

    @property
    def profile(self) -> str:
        """The profile in force, as far as it is known yet."""
        return self.settings.profile if "manager" in self.__dict__ else self.flags.profile or "default"

    def close(self) -> None:
        """Let go of every connection that was opened."""
        if "manager" in self.__dict__:
            self.manager.close()


class InsideCall(Invocation):
    """A call made by a user's command: it has that one's flags and, unless it says otherwise, its manager."""

    def __init__(self, outer: Invocation) -> None:
        super().__init__(outer.on_open, outer.flags)
        self.own, self.shadowed = outer.own, outer.shadowed
        self._outer = outer

    def prepare(self) -> None:
        """Make the manager of this call the default of the process."""
        if self._is_elsewhere:
            super().prepare()
        else:
            self._outer.prepare()

    @cached_property
    def manager(self) -> QueueManager:
        """The outer call's manager, or one of its own where other flags lead elsewhere."""
        if self._is_elsewhere:
            return self._open()
        outer = self._outer.manager
        self._fill(outer.settings.output)
        return outer

    def close(self) -> None:
        """Let go of what this call opened, and put in force again what was before."""
        if self._is_elsewhere and "manager" in self.__dict__:
            super().close()
            dispatcher.install(self._before)

    @property
    def _is_elsewhere(self) -> bool:
        return _where(self.flags) != _where(self._outer.flags)


def _where(flags: Flags) -> tuple[str | None, ...]:
    return flags.url, flags.connection, flags.app, flags.config, flags.profile


_TELLING = {
    name: one.field
    for one in GLOBAL_OPTIONS
    if one.field in {"app", "config", "profile", "url", "connection"}
    for name in one.names
}


def _places_of_configuration() -> Iterator[Path]:
    """Every file that could be the configuration of a call, and maybe more."""
    with suppress(OSError):  # a working directory that is gone
        here = Path.cwd()
        yield from (folder / name for folder in (here, *here.parents) for name in ("qctl.toml", "pyproject.toml"))
    settings = os.environ.get("XDG_CONFIG_HOME")
    yield Path(settings or Path(os.environ.get("HOME", ""), ".config"), "qctl", "config.toml")


def _may_name_an_app(path: Path) -> bool:
    """Whether a file could name an application; reading it in earnest costs imports."""
    try:
        text = path.read_bytes()
    except OSError:
        return False
    return b"app" in text and (b"qctl" in text or path.name != "pyproject.toml")
