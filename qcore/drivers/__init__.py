"""Where jobs live. A store is opened by name, so that nothing above imports one."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from qcore.drivers.base import Driver
from qcore.drivers.operator import Operator
from qcore.drivers.reader import Reader
from qcore.errors import ConfigurationError

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings

_FACTORIES = {
    "database": "qcore.drivers.database:open_database",
    "redis": "qcore.drivers.redis:open_redis",
    "memory": "qcore.drivers.memory:open_memory",
    "sync": "qcore.drivers.sync:open_sync",
    "null": "qcore.drivers.null:open_null",
}


class Store(Driver, Operator, Reader, Protocol):
    """A driver with both of its further faces; each side above uses its own."""


def names() -> list[str]:
    """The drivers there are, sorted."""
    return sorted(_FACTORIES)


def open_store(settings: ConnectionSettings) -> Store:
    """Open the store of a connection; nothing is connected before the first verb.

    Raises:
        ConfigurationError: there is no driver of that name, or its client library is not installed.
    """
    path = _FACTORIES.get(settings.driver)
    if path is None:
        raise ConfigurationError(
            f'connection "{settings.name}": no driver "{settings.driver}"',
            hint=f"drivers are: {', '.join(names())}",
        )
    module, _, factory = path.partition(":")
    try:
        return cast("Store", getattr(import_module(module), factory)(settings))
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'connection "{settings.name}": the driver "{settings.driver}" needs the package "{error.name}"',
            hint=f"install it with: pip install 'qctl[{settings.extra}]'",
        ) from error
