"""Every setting once: its name in files, its kind, its flag. The environment's name is `QCTL_` and the flag's."""

from __future__ import annotations

from keyword import iskeyword
from typing import NamedTuple

from qcore.config import kinds
from qcore.config.kinds import Kind

Name = tuple[str, ...]
"""A dotted name in its parts: a connection's own may hold dots."""


def field_of(name: str) -> str:
    """Turn a setting's name into that of its field, which cannot be one of Python's own words."""
    return f"{name}_" if iskeyword(name) else name


class Option(NamedTuple):
    """One setting."""

    path: Name
    kind: Kind
    flag: str
    is_secret: bool = False

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"QCTL_{self.flag.upper()}"


_WORKER = {
    "queue": kinds.WORDS,
    "tries": kinds.WHOLE,
    "timeout": kinds.SECONDS,
    "backoff": kinds.BACKOFF,
    "sleep": kinds.SECONDS,
    "rest": kinds.SECONDS,
    "memory": kinds.WHOLE,
    "max_jobs": kinds.WHOLE,
    "max_time": kinds.SECONDS,
    "grace": kinds.SECONDS,
    "name": kinds.TEXT,
    "grant": kinds.WORDS,
    "fair": kinds.SWITCH,
    "processes": kinds.TEXT,
    "threads": kinds.WHOLE,
    "async": kinds.WHOLE,
    "memory_hard": kinds.WHOLE,
}
OPTIONS = (
    Option(("url",), kinds.URL, "url", is_secret=True),
    Option(("default",), kinds.TEXT, "connection"),
    Option(("app",), kinds.TEXT, "app"),
    Option(("key",), kinds.TEXT, "key", is_secret=True),
    Option(("previous_keys",), kinds.WORDS, "previous_keys", is_secret=True),
    Option(("signing_key",), kinds.TEXT, "signing_key", is_secret=True),
    Option(("verify_keys",), kinds.WORDS, "verify_keys"),
    Option(("allowed_modules",), kinds.WORDS, "allowed_modules"),
    Option(("allow_closures",), kinds.SWITCH, "allow_closures"),
    Option(("tracing",), kinds.SWITCH, "tracing"),
    Option(("silenced",), kinds.WORDS, "silenced"),
    Option(("silenced_tags",), kinds.WORDS, "silenced_tags"),
    Option(("env",), kinds.TEXT, "env"),
    Option(("read_only",), kinds.SWITCH, "read_only"),
    *(Option(("worker", name), kind, name) for name, kind in _WORKER.items()),
    Option(("output", "format"), kinds.FORMAT, "output"),
    Option(("output", "color"), kinds.COLOR, "color"),
    Option(("output", "ascii"), kinds.SWITCH, "ascii"),
)
CONNECTION = {
    "driver": kinds.TEXT,
    "connection": kinds.TEXT,
    "url": kinds.URL,
    "queue": kinds.TEXT,
    "table": kinds.TEXT,
    "prefix": kinds.TEXT,
    "retry_after": kinds.POSITIVE,
    "max_attempts": kinds.WHOLE,
    "block_for": kinds.SECONDS,
    "lease_s": kinds.POSITIVE,
    "on_lease_loss": kinds.ON_LEASE_LOSS,
    "auto_migrate": kinds.SWITCH,
    "durability": kinds.DURABILITY,
    "metrics": kinds.SWITCH,
    "timeout_s": kinds.POSITIVE,
    "options": kinds.TABLE,
}
"""What the definition of a connection may say; `connection` names an entry of the stores."""
SUPERVISOR = {
    "connection": kinds.TEXT,
    "queues": kinds.WORDS,
    "balance": kinds.BALANCE,
    "min_processes": kinds.COUNT,
    "max_processes": kinds.COUNT,
    "balance_max_shift": kinds.COUNT,
    "balance_cooldown": kinds.POSITIVE,
    "strategy": kinds.STRATEGY,
    "max_time": kinds.SECONDS,
    "max_jobs": kinds.WHOLE,
    "memory": kinds.WHOLE,
    "tries": kinds.WHOLE,
    "timeout": kinds.SECONDS,
    "nice": kinds.NICE,
    "threads": kinds.COUNT,
    "async": kinds.COUNT,
}
"""What a file may say of a pool of workers; what it does not say, `[worker]` does."""
QUEUE = {"protected": kinds.SWITCH}
"""What a file may say of a queue."""
STORE_VARIABLE = "QCTL_STORE_"
