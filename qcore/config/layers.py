"""The sources of settings, each turned into the same flat form: name to value, with where it was said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from qcore.config.files import Source
from qcore.config.kinds import TEXT, URL, Kind
from qcore.config.options import CONNECTION, OPTIONS, QUEUE, STORE_VARIABLE, SUPERVISOR, Name, Option
from qcore.config.suggestions import did_you_mean
from qcore.errors import ConfigurationError

FLAGS, ENVIRONMENT, PROFILE, FILE, APP = range(5)
"""The ranks of the sources; the lowest wins."""


class Found(NamedTuple):
    """A value and who said it."""

    value: Any
    origin: str
    rank: int
    base: Path
    """The directory that relative paths in it start from."""


class Place(NamedTuple):
    """A source: what every value found in it has in common."""

    origin: str
    rank: int
    base: Path

    def found(self, value: Any) -> Found:
        """Mark a value as from here."""
        return Found(value, self.origin, self.rank, self.base)


Layer = dict[Name, Found]

_BY_FLAG = {option.flag: option for option in OPTIONS}
_BY_PATH = {option.path: option for option in OPTIONS}
_TOP = {option.path[0] for option in OPTIONS} | {"connections", "stores", "queues", "supervisors", "profile"}
_APP = {"QUEUE_CONFIG": "connections", "STORES": "stores"}


def from_flags(flags: Mapping[str, Any], cwd: Path) -> Layer:
    """Read flags by their names, without the dashes.

    Raises:
        ConfigurationError: no such flag, or a value that it cannot have.
    """
    layer: Layer = {}
    for name, value in flags.items():
        option = _BY_FLAG.get(name)
        if option is None:
            raise ConfigurationError(
                f'no setting "{name}"', hint=f"{did_you_mean(name, _BY_FLAG)}see: qctl help config"
            )
        place = Place(f"flag --{name.replace('_', '-')}", FLAGS, cwd)
        layer[option.path] = place.found(_read(option, value, place))
    return layer


def from_environment(environ: Mapping[str, str], cwd: Path) -> Layer:
    """Read the variables that name a setting or a store; an empty one says nothing, others are not ours.

    Raises:
        ConfigurationError: a value that the setting cannot have.
    """
    layer: Layer = {}
    for option in OPTIONS:
        if text := environ.get(option.variable):
            place = Place(f"environment {option.variable}", ENVIRONMENT, cwd)
            layer[option.path] = place.found(_read(option, text, place))
    for name, text in environ.items():
        if name.startswith(STORE_VARIABLE) and text:
            place = Place(f"environment {name}", ENVIRONMENT, cwd)
            layer["stores", name.removeprefix(STORE_VARIABLE).lower()] = place.found(text)
    return layer


def from_file(source: Source, profile: str) -> list[Layer]:
    """Read a file: the profile asked for, before what it says for all.

    Raises:
        ConfigurationError: an unknown name, a value of the wrong kind, or no such profile.
    """
    base = source.path.parent
    tree = dict(source.tree)
    profiles = _as_table(tree.pop("profile", {}), "profile", source.label)
    layers = [_layer(tree, Place(source.label, FILE, base))]
    if profile in profiles:
        origin = f"{source.label} [profile.{profile}]"
        table = _as_table(profiles[profile], f"profile.{profile}", source.label)
        layers.insert(0, _layer(table, Place(origin, PROFILE, base)))
    elif profile != "default":
        there = ", ".join(profiles) or "none"
        raise ConfigurationError(
            f'{source.label}: no profile "{profile}"',
            hint=f"{did_you_mean(profile, profiles)}there are: {there}",
        )
    return layers


def from_app(config: Mapping[str, Any], name: str | None, cwd: Path) -> Layer:
    """Read what the application module holds: `QUEUE_CONFIG` and `STORES`.

    Raises:
        ConfigurationError: an unknown name, or a value of the wrong kind.
    """
    layer: Layer = {}
    for key, value in config.items():
        label = f"{name}.{key}" if name else key
        if key not in _APP:
            raise ConfigurationError(f"{label}: no such setting", hint=did_you_mean(key, _APP).strip())
        tree = {_APP[key]: _as_table(value, "", label)}
        layer |= _layer(tree, Place(f"app {label}" if name else label, APP, cwd))
    return layer


def _layer(tree: Mapping[str, Any], place: Place) -> Layer:
    layer: Layer = {}
    for name, value in tree.items():
        _known(name, _TOP, (), place)
        for path, kind, part in _parts(name, value, place):
            if part is not None:  # a mapping in code may say so in place of leaving it out
                layer[path] = place.found(_checked(path, kind, part, place))
    return layer


def _parts(name: str, value: Any, place: Place) -> Iterable[tuple[Name, Kind, Any]]:
    """The settings that an entry of the first level holds."""
    if (name,) in _BY_PATH:
        return [((name,), _BY_PATH[name,].kind, value)]
    table = _as_table(value, name, place.origin)
    if name == "stores":
        return [((name, key), URL, part) for key, part in table.items()]
    if name in _NESTED:
        return [part for key, inner in table.items() for part in _nested((name, key), inner, _NESTED[name], place)]
    kinds = {option.path[1]: option.kind for option in OPTIONS if option.path[0] == name}
    return _nested((name,), table, kinds, place)


_NESTED = {"connections": CONNECTION, "queues": QUEUE, "supervisors": SUPERVISOR}


def _nested(path: Name, value: Any, kinds: Mapping[str, Kind], place: Place) -> list[tuple[Name, Kind, Any]]:
    table = _as_table(value, ".".join(path), place.origin)
    for key in table:
        _known(key, kinds, path, place)
    return [((*path, key), kinds[key], part) for key, part in table.items()]


def _known(key: str, known: Iterable[str], path: Name, place: Place) -> None:
    if key not in known:
        raise ConfigurationError(
            f'{place.origin}: unknown setting "{".".join((*path, key))}"', hint=_where(key, known, path)
        )


def _where(key: str, known: Iterable[str], path: Name) -> str:
    """Tell where a setting belongs that stands in the wrong place, or what may have been meant."""
    option = _BY_FLAG.get(key)
    if not path and option is not None and len(option.path) > 1:
        return f"write {option.path[1]} under [{option.path[0]}]"
    return did_you_mean(key, known).strip() or f"there are: {', '.join(sorted(known))}"


def _as_table(value: Any, name: str, label: str) -> Mapping[str, Any]:
    what = f'"{name}" ' if name else ""
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f"{label}: {what}must be a table, and is {_article(value)}", hint="see: qctl help config"
        )
    for key in value:
        if type(key) is not str:
            raise ConfigurationError(f"{label}: {what}holds the name {key!r}", hint="write names as texts")
    return value


def _read(option: Option, value: Any, place: Place) -> Any:
    """Check a value that may be text, as the environment and flags give it."""
    if type(value) is str:
        try:
            value = option.kind.read(value)
        except ValueError:
            raise _wrong(option.path, option.kind, value, place) from None
    return _checked(option.path, option.kind, value, place)


def _checked(path: Name, kind: Kind, value: Any, place: Place) -> Any:
    try:
        return kind.check(value)
    except (TypeError, ValueError):
        raise _wrong(path, kind, value, place) from None


def _wrong(path: Name, kind: Kind, value: Any, place: Place) -> ConfigurationError:
    option = _BY_PATH.get(path)
    is_secret = kind is URL or (option is not None and option.is_secret)
    shown = _article(value) if is_secret or kind is TEXT else repr(value)
    return ConfigurationError(f"{place.origin}: {'.'.join(path)} is {shown}", hint=f"write {kind.wanted}")


def _article(value: Any) -> str:
    if value == "":
        return "an empty text"
    names = {"str": "a text", "int": "a number", "float": "a number", "bool": "a switch", "dict": "a table"}
    return names.get(type(value).__name__, f"a {type(value).__name__}")
