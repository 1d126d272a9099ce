"""Connections from their definitions: each gets a driver and the address of its store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qcore.config.layers import Found, Layer
from qcore.config.model import ConnectionSettings
from qcore.config.urls import ADDRESSLESS, DRIVERS, FALLBACKS, absolute, driver_of
from qcore.errors import ConfigurationError

DEFAULT = "default"
_DEFAULT_DRIVER = DRIVERS["sqlite"]
_WITH_ADDRESS = frozenset({"driver", "connection", "url"})

Definition = dict[str, Found]


class Connections:
    """The connections of one configuration.

    The one URL (`QCTL_URL`) names the default connection: the one that is default by name, where the URL fits
    its driver; else the connection of the URL's own driver becomes the default, and is made if there is none.

    Args:
        found: every setting that somebody said.
        cwd: where the SQLite file lies that nobody named.
    """

    def __init__(self, found: Layer, cwd: Path) -> None:
        self._found = found
        self._cwd = cwd
        self._url = found.get(("url",))
        self._wanted = found.get(("default",))
        self._definitions = _definitions(found)
        self.origins: dict[str, str] = {}
        """Where the default, drivers and addresses were found."""
        self._default = self._chosen()
        self._url_goes_to = self._place_url() if self._url else None
        self.by_name = {name: self._build(name) for name in self._definitions}

    @property
    def default(self) -> str:
        """The name of the default connection; as it was given where it leads to none."""
        if self._default in self.by_name:
            return self._default
        same = [one.name for one in self.by_name.values() if one.driver == self._default]
        return same[0] if len(same) == 1 else self._default

    def _chosen(self) -> str:
        """The default before any URL: what was asked for, by name or driver; "default"; the first there is."""
        if self._wanted is not None:
            return self._named(self._wanted.value) or str(self._wanted.value)
        return DEFAULT if DEFAULT in self._definitions else next(iter(self._definitions))

    def _named(self, name: str) -> str | None:
        """Find a definition by its key, then as the only one with that driver."""
        if name in self._definitions:
            return name
        same = [key for key, one in self._definitions.items() if _driver_in(one) == name]
        return same[0] if len(same) == 1 else None

    def _place_url(self) -> str | None:
        """Say which connection the one URL is the address of; it may become the default by that."""
        assert self._url is not None  # noqa: S101  asked for only then
        driver = _leads_to(self._url)
        if self._default not in self._definitions:
            return DEFAULT if not self._definitions.get(DEFAULT, True) else None
        if _driver_in(self._definitions[self._default]) in {None, driver}:
            return self._default
        if self._wanted is None or self._url.rank < self._wanted.rank:
            self._default = self._of_driver(driver)
            self.origins["default"] = self._url.origin
            return self._default
        if not any(_driver_in(one) == driver for one in self._definitions.values()):
            raise ConfigurationError(
                f'{self._url.origin}: the connection "{self._default}" ({self._wanted.origin}) has another driver '
                f'than "{driver}"',
                hint="leave one of the two out",
            )
        return None

    def _of_driver(self, driver: str) -> str:
        """Find the connection of a driver, or define one."""
        name = self._named(driver)
        if name is None or _driver_in(self._definitions[name]) != driver:
            name = driver if driver not in self._definitions else "url"
            self._definitions[name] = {}
        return name

    def _build(self, name: str) -> ConnectionSettings:
        definition = self._definitions[name]
        address = self._address(name, definition)
        driver = self._driver(name, definition, address)
        if address is None and self._url is not None and _leads_to(self._url) == driver:
            address = self._url
        url, base = (FALLBACKS.get(driver, ""), self._cwd) if address is None else (address.value, address.base)
        self.origins[f"connections.{name}.url"] = "default" if address is None else address.origin
        rest: dict[str, Any] = {key: one.value for key, one in definition.items() if key not in _WITH_ADDRESS}
        return ConnectionSettings(
            name=name,
            driver=driver,
            url="" if driver in ADDRESSLESS else absolute(url, base),
            store=definition["connection"].value if "connection" in definition else "",
            **rest,
        )

    def _address(self, name: str, definition: Definition) -> Found | None:
        """What was said first: the one URL, if it goes here, the connection's own, its store's."""
        candidates = [self._url if name == self._url_goes_to else None, definition.get("url")]
        if "connection" in definition:
            candidates.append(self._store(definition["connection"].value))
        said = [one for one in candidates if one is not None]
        return min(said, key=lambda one: one.rank, default=None)

    def _store(self, name: str) -> Found | None:
        """An entry of the stores; the environment can write neither lower case nor dashes."""
        matching = [
            (one.rank, path[1] != name, one)
            for path, one in self._found.items()
            if path[0] == "stores" and _as_variable(path[1]) == _as_variable(name)
        ]
        return min(matching, key=lambda entry: entry[:2])[2] if matching else None

    def _driver(self, name: str, definition: Definition, address: Found | None) -> str:
        given = definition.get("driver")
        leads_to = None if address is None else _leads_to(address)
        if given is None:
            if leads_to is None and name not in {self._default, DEFAULT}:
                known = ", ".join(sorted({*DRIVERS.values()}))
                raise ConfigurationError(f'connection "{name}" names no driver', hint=f"drivers are: {known}")
            self.origins[f"connections.{name}.driver"] = "default" if address is None else address.origin
            return leads_to or _DEFAULT_DRIVER
        if address is None or leads_to == given.value:
            return str(given.value)
        raise ConfigurationError(
            f'connection "{name}" has the driver "{given.value}" ({given.origin}), but the address of a '
            f'"{leads_to}" store ({address.origin})',
            hint="change one of the two",
        )


def _definitions(found: Layer) -> dict[str, Definition]:
    definitions: dict[str, Definition] = {}
    for path, one in found.items():
        if path[0] == "connections":
            definitions.setdefault(path[1], {})[path[2]] = one
    return definitions or {DEFAULT: {}}


def _driver_in(definition: Definition) -> str | None:
    return str(definition["driver"].value) if "driver" in definition else None


def _leads_to(address: Found) -> str:
    try:
        return driver_of(address.value)
    except ConfigurationError as error:
        raise ConfigurationError(f"{address.origin}: {error.message}", hint=error.hint) from None


def _as_variable(name: str) -> str:
    return "".join(char if char.isalnum() else "_" for char in name).upper()
