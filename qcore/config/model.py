"""What settings are, once all sources have been read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from qcore.config.suggestions import did_you_mean
from qcore.config.urls import FALLBACKS, sqlite_file
from qcore.errors import ConfigurationError

LEASE_S = 15.0
"""A worker that has not proved for so long that it lives loses its jobs."""


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One connection: a driver, where its store is, and how it behaves."""

    name: str
    driver: str
    """`database`, `redis`, `memory`, `sync` or `null`."""
    url: str = ""
    """Of the store, without secrets masked; empty for drivers that have none."""
    store: str = ""
    """The entry of the stores that its definition names."""
    queue: str = "default"
    """The queue of jobs that name none."""
    table: str = "jobs"
    """`database`: prefix of its tables. `redis`: the prefix of its keys is `prefix`."""
    prefix: str = "qctl"
    retry_after: float = 3600.0
    """Seconds; kept for Laravel's sake: a lease ends `lease_s` after its worker's last heartbeat."""
    max_attempts: int | None = None
    block_for: float | None = None
    lease_s: float = LEASE_S
    on_lease_loss: str = "finish"
    """What a worker does with running jobs that others may begin: `finish` lets them end, and the store refuses
    whatever end comes too late; `stop` interrupts them softly, uncharged, before their leases end."""
    auto_migrate: bool = True
    """`database`: make and update tables at first use."""
    durability: str = "normal"
    """SQLite: `normal` survives every crash of a process, `full` a power cut too.
    PostgreSQL: with `normal` a crash of the server may take back, whole, the last reserves and plain ends."""
    metrics: bool = True
    """Count and measure jobs as they end."""
    timeout_s: float = 5.0
    """Seconds to wait for the store to connect or to answer."""
    options: dict[str, Any] = {}

    @property
    def extra(self) -> str:
        """The optional dependency group that holds the client library."""
        if self.url.startswith("postgres"):
            return "postgres"
        return "mysql" if self.url.startswith(("mysql", "mariadb")) else self.driver

    @property
    def key_path(self) -> Path | None:
        """The key file beside an embedded database; None for every other store."""
        file = sqlite_file(self.url)
        return None if file is None else file.with_name(f"{file.name}.key")


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is started with where no flag says otherwise; None where nobody said anything."""

    queue: tuple[str, ...] | None = None
    """Most wanted first."""
    tries: int | None = None
    """0 for no limit."""
    timeout: float | None = None
    """Seconds an attempt may take; 0 for no limit."""
    backoff: float | tuple[float, ...] | None = None
    """Seconds; a list's last value repeats."""
    sleep: float | None = None
    """Seconds between two looks at an empty queue, where the store cannot wake a worker."""
    rest: float | None = None
    """Seconds between two jobs."""
    memory: int | None = None
    """Megabytes; a worker above it leaves after its job."""
    max_jobs: int | None = None
    max_time: float | None = None
    """Seconds."""
    grace: float | None = None
    """Seconds a running job has left once the worker was told to stop."""
    name: str | None = None
    grant: tuple[str, ...] | None = None
    """Permissions of the jobs it runs."""
    fair: bool | None = None
    processes: str | None = None
    """A number, or `auto`: one for each core."""
    threads: int | None = None
    """Jobs at a time in each process, each in a thread."""
    async_: int | None = msgspec.field(default=None, name="async")
    """Jobs at a time in each process, on an event loop."""
    memory_hard: int | None = None
    """Megabytes; a job whose process grows above it is ended and charged."""


class SupervisorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A pool of workers, run by `qctl supervise`; None where nobody said anything, and `[worker]` may."""

    name: str
    queues: tuple[str, ...]
    connection: str | None = None
    """Serve the queues on this one alone; else each on its own."""
    balance: str = "auto"
    """`auto`: processes follow the work; `simple`: they are split evenly; `off`: all serve all queues, in order."""
    min_processes: int = 1
    """Of each queue; with `off`, of the pool."""
    max_processes: int = 10
    """Of the pool."""
    balance_max_shift: int = 1
    """The most by which the processes of a queue change at a time."""
    balance_cooldown: float = 3.0
    """Seconds between two changes."""
    strategy: str = "time"
    """Share processes by the `time` it takes to clear the queues, or by their `size`."""
    max_time: float | None = None
    """Seconds after which a worker is replaced."""
    max_jobs: int | None = None
    """Jobs after which a worker is replaced."""
    memory: int | None = None
    tries: int | None = None
    timeout: float | None = None
    nice: int = 0
    threads: int | None = None
    async_: int | None = msgspec.field(default=None, name="async")


class OutputSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How `qctl` prints; None where nobody said anything."""

    format: str | None = None
    color: str | None = None
    ascii: bool | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything configured, and where each part of it was said."""

    connections: dict[str, ConnectionSettings]
    default: str = "default"
    """The name of the connection of queues and calls that name none."""
    stores: dict[str, str] = {}
    app: str | None = None
    """The module that holds the user's jobs, queues and commands."""
    key: str | None = None
    previous_keys: tuple[str, ...] = ()
    signing_key: str | None = None
    """Private half of an Ed25519 pair, which signs in place of `key`."""
    verify_keys: tuple[str, ...] = ()
    """Public halves of those whose jobs may run here."""
    allowed_modules: tuple[str, ...] | None = None
    """Whose jobs may run; None: the app's."""
    allow_closures: bool = True
    """Whether callbacks may be closures, whose code travels signed; else only functions by name."""
    tracing: bool | None = None
    """Whether jobs make spans of OpenTelemetry; None: where its API is installed."""
    silenced: tuple[str, ...] = ()
    """Classes of jobs, such as `Ping` or `app.jobs:Ping*`, that lists leave out once they completed."""
    silenced_tags: tuple[str, ...] = ()
    """Tags of jobs likewise."""
    env: str | None = None
    protected: tuple[str, ...] = ()
    """Queues that are cleared only by one who types their name."""
    read_only: bool = False
    profile: str = "default"
    worker: WorkerSettings = WorkerSettings()
    supervisors: dict[str, SupervisorSettings] = {}
    """Pools of workers, by name."""
    output: OutputSettings = OutputSettings()
    config_file: str | None = None
    """The file that was read."""
    origins: dict[str, str] = {}
    """By dotted name, where a setting was said; what is not here is a default."""

    @property
    def is_production(self) -> bool:
        """Whether destructive commands ask twice."""
        return self.env in {"production", "prod"}

    def connection(self, name: str | None = None) -> ConnectionSettings:
        """Find a connection by its name, else as the only one with that driver.

        Args:
            name: None takes the default.

        Raises:
            ConfigurationError: there is none, or several, or its store's address is not known.
        """
        wanted = name or self.default
        found = self.connections.get(wanted) or self._only_one_of(wanted)
        if not found.url and found.driver not in FALLBACKS:
            raise self._no_address(found)
        return found

    def _only_one_of(self, driver: str) -> ConnectionSettings:
        same = [one for one in self.connections.values() if one.driver == driver]
        if len(same) == 1:
            return same[0]
        listed = ", ".join(f"{one.name} ({one.driver})" for one in self.connections.values())
        if same:
            raise ConfigurationError(f'several connections have the driver "{driver}": say which', hint=listed)
        raise ConfigurationError(
            f'no connection "{driver}"', hint=f"{did_you_mean(driver, self.connections)}there are: {listed}"
        )

    def _no_address(self, connection: ConnectionSettings) -> ConfigurationError:
        store = connection.store or connection.name
        variable = "QCTL_STORE_" + "".join(char if char.isalnum() else "_" for char in store).upper()
        return ConfigurationError(
            f'connection "{connection.name}": the address of its {connection.driver} store "{store}" is not known',
            hint=f"set {variable}, or put {store} into STORES or under [stores] in qctl.toml",
        )
