"""Log lines that are bound to the attempt they come from: through structlog where it is configured, else `logging`.

Where nobody configured either, lines from INFO up go to stderr: for people on a terminal, elsewhere as JSON.
"""

from __future__ import annotations

import logging
import math
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from typing import Any, Protocol, Self

import msgspec

_LEAST = logging.INFO
"""Of the lines that are written where nobody configured logging."""
_DEPTH = 4
"""Frames from `logging` to whoever writes a line."""
_DEEPEST = 20
_INT_LEAST, _INT_MOST = -(2**63), 2**64 - 1
_encode = msgspec.json.Encoder().encode
_METHODS = ("debug", "debug", "info", "warning", "error", "critical")


class Log(Protocol):
    """What `self.log` offers in a job, whoever writes the lines; none of it raises."""

    def bind(self, /, **fields: Any) -> Self:
        """Return a logger whose lines bear these fields too."""
        ...

    def debug(self, event: object, /, *args: Any, **fields: Any) -> None:
        """Write a line for those who look for a mistake."""
        ...

    def info(self, event: object, /, *args: Any, **fields: Any) -> None:
        """Write a line about what happens."""
        ...

    def warning(self, event: object, /, *args: Any, **fields: Any) -> None:
        """Write a line about what somebody should look at."""
        ...

    def error(self, event: object, /, *args: Any, **fields: Any) -> None:
        """Write a line about what went wrong."""
        ...

    def critical(self, event: object, /, *args: Any, **fields: Any) -> None:
        """Write a line about what must be mended now."""
        ...

    def exception(self, event: object, /, *args: Any, **fields: Any) -> None:
        """Write a line about what went wrong, with the traceback of the exception at hand."""
        ...

    def log(self, level: int, event: object, /, *args: Any, **fields: Any) -> None:
        """Write a line of a level of `logging`."""
        ...


def bound(name: str, mask: Callable[[str], str] | None = None, began: float | None = None, /, **fields: Any) -> Log:
    """Make a logger whose lines bear these fields.

    Args:
        name: of the logger, as in `logging.getLogger`.
        mask: takes out of each line what must stay hidden.
        began: when what it tells of began, by `time.perf_counter`; each line then says `duration_s`, the seconds since.
        fields: of every line.
    """
    return _Lines(name, mask, began, fields)


class _Lines:
    """Lines that harm nobody: whatever they are given, and whatever those do who write them."""

    def __init__(
        self, name: str, mask: Callable[[str], str] | None, began: float | None, fields: dict[str, Any]
    ) -> None:
        self._name = name
        self._mask = mask
        self._began = began
        self._fields = fields

    def bind(self, /, **fields: Any) -> Self:
        return type(self)(self._name, self._mask, self._began, self._fields | self._told(fields))

    def debug(self, event: object, /, *args: Any, **fields: Any) -> None:
        self._say(logging.DEBUG, event, args, fields)

    def info(self, event: object, /, *args: Any, **fields: Any) -> None:
        self._say(logging.INFO, event, args, fields)

    def warning(self, event: object, /, *args: Any, **fields: Any) -> None:
        self._say(logging.WARNING, event, args, fields)

    def error(self, event: object, /, *args: Any, **fields: Any) -> None:
        self._say(logging.ERROR, event, args, fields)

    def critical(self, event: object, /, *args: Any, **fields: Any) -> None:
        self._say(logging.CRITICAL, event, args, fields)

    def exception(self, event: object, /, *args: Any, **fields: Any) -> None:
        self._say(logging.ERROR, event, args, {"exc_info": True, **fields})

    def log(self, level: int, event: object, /, *args: Any, **fields: Any) -> None:
        self._say(level, event, args, fields)

    def _say(self, level: int, event: object, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
        line = _Line(level, self._name, "a line that cannot be written", {})
        try:
            structlog, logger = _structlog(), logging.getLogger(self._name)
            if structlog is None and not _is_heard(logger, level):
                return
            line = self._line(level, event, args, fields, _error_of(fields.pop("exc_info", None)))
            if structlog is not None:
                self._by_structlog(structlog, line)
            else:
                self._by_logging(logger, line)
        except Exception as broken:  # noqa: BLE001  a handler, or a processor, of the application's own
            line.fields["log_error"] = type(broken).__name__ if self._mask is not None else _shown(broken)
            with suppress(Exception):
                _STDERR.write(line.written() + "\n")

    def _line(
        self, level: int, event: object, args: tuple[Any, ...], fields: dict[str, Any], error: BaseException | None
    ) -> _Line:
        since = {} if self._began is None else {"duration_s": round(time.perf_counter() - self._began, 6)}
        told = {**self._fields, **since, **self._told(fields)}
        words = _unicode(_filled(event, args))
        if self._mask is None:
            return _Line(level, self._name, words, told, error)
        if error is not None:  # a formatter would tell all of it
            told["exception"] = self._mask(_traceback_of(error))
        return _Line(level, self._name, self._mask(words), told)

    def _told(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Fields, of which nothing that is hidden can be written."""
        if self._mask is None:
            return fields
        hidden: dict[str, Any] = _hidden(_tidy(fields, _shown), self._mask)
        return hidden

    def _by_structlog(self, structlog: Any, line: _Line) -> None:
        logger = structlog.get_logger(self._name).bind(logger=self._name)
        told = {name: value for name, value in _tidy(line.fields, _same).items() if name != "event"}
        if line.error is not None:
            told["exc_info"] = line.error
        getattr(logger, _METHODS[max(logging.DEBUG, min(line.level, logging.CRITICAL)) // 10])(line.words, **told)

    def _by_logging(self, logger: logging.Logger, line: _Line) -> None:
        if not logger.hasHandlers():
            _STDERR.write(line.written() + "\n")
            return
        error, fields = line.error, _tidy(line.fields, _same)
        info = (type(error), error, error.__traceback__) if error is not None else None
        text = " ".join([line.words, *_pairs(fields)])
        logger.log(line.level, text, exc_info=info, extra={"event": line.words, "fields": fields}, stacklevel=_DEPTH)


class _Line:
    """One line, before anybody has written it."""

    __slots__ = ("error", "fields", "level", "name", "words")

    def __init__(
        self, level: int, name: str, words: str, fields: dict[str, Any], error: BaseException | None = None
    ) -> None:
        self.level = level
        self.name = name
        self.words = words
        self.fields = fields
        self.error = error

    def written(self) -> str:
        """As it stands on stderr: for people on a terminal, elsewhere as JSON."""
        now = datetime.now(UTC)
        if not _is_terminal():
            level = logging.getLevelName(self.level).lower()
            first = {"at": now.isoformat(), "level": level, "event": self.words, "logger": self.name}
            return self._encoded(first)
        fields = self._tidied()
        told = fields.pop("exception", "")
        shown = f"{now.astimezone():%H:%M:%S}  {logging.getLevelName(self.level):<8}{self.words}"
        return "  ".join([shown, *_pairs(fields)]) + (f"\n{told.rstrip()}" if told else "")

    def _encoded(self, first: dict[str, Any]) -> str:
        if self.error is None and all(map(_is_plain, self.fields.values())):
            with suppress(ValueError, OverflowError):  # half a character, or a number that is too long
                return _encode({**first, **self.fields, **first}).decode()
        return _encode({**first, **self._tidied(), **first}).decode()

    def _tidied(self) -> dict[str, Any]:
        fields: dict[str, Any] = _tidy(self.fields, _shown)
        if self.error is not None:
            fields["exception"] = _traceback_of(self.error)
        return fields


def _filled(event: object, args: tuple[Any, ...]) -> str:
    """Fill in the arguments as `logging` does; a line that does not fit them is no reason for a job to fail."""
    words = event if isinstance(event, str) else _shown(event)
    if not args:
        return words
    values = args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args
    try:
        return words % values
    except Exception:  # noqa: BLE001  it does not fit them, or one of them cannot be written
        return f"{words} ({', '.join(map(_shown, args))})"


def _error_of(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    return sys.exc_info()[1] if given else None


def _traceback_of(error: BaseException) -> str:
    return _unicode("".join(traceback.format_exception(error)))


def _tidy(value: Any, leaf: Callable[[Any], Any], depth: int = 0) -> Any:
    """A value without what no JSON holds. What is neither text nor number nor made of values is as `leaf` says."""
    if isinstance(value, str):
        return _unicode(str.__str__(value))
    if isinstance(value, (int, float)):
        return _number(value)
    if not isinstance(value, (dict, list, tuple)):
        return None if value is None else leaf(value)
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {_shown(key): _tidy(one, leaf, depth + 1) for key, one in value.items()}
    return [_tidy(one, leaf, depth + 1) for one in value]


def _is_plain(value: object) -> bool:
    """Whether JSON holds it as it is, but for letters that are none and very long numbers."""
    kind = type(value)
    return kind is str or kind is int or kind is bool or value is None or (kind is float and math.isfinite(value))  # type: ignore[arg-type]  # it is a float


def _number(value: float) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if _INT_LEAST <= value <= _INT_MOST else _shown(value)
    return float(value) if math.isfinite(value) else str(float(value))


def _hidden(value: Any, mask: Callable[[str], str]) -> Any:
    """A tidy value without what is hidden."""
    if isinstance(value, dict):
        return {mask(key): _hidden(one, mask) for key, one in value.items()}
    if isinstance(value, list):
        return [_hidden(one, mask) for one in value]
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    masked = mask(text)
    return value if masked == text else masked


def _shown(value: Any) -> str:
    """A value as text, whatever its author made of it."""
    try:
        return _unicode(value.isoformat() if isinstance(value, (date, time_of_day)) else str(value))
    except Exception:  # noqa: BLE001  its own `__str__` may raise anything
        return f"<{type(value).__qualname__}>"


def _unicode(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _same(value: Any) -> Any:
    return value


def json_line(record: logging.LogRecord) -> str | None:
    """A record with fields as it is written where nobody watches; None of one without, or on a terminal."""
    fields = getattr(record, "fields", None)
    if fields is None or _is_terminal():
        return None
    words = _unicode(_shown(getattr(record, "event", None) or record.getMessage()))
    return _Line(record.levelno, record.name, words, fields).written()


def _pairs(fields: dict[str, Any]) -> list[str]:
    return [f"{name}={_shown(value)}" for name, value in fields.items()]


def _is_heard(logger: logging.Logger, level: int) -> bool:
    return logger.isEnabledFor(level) if logger.hasHandlers() else level >= _LEAST


def _structlog() -> Any:
    """Structlog, where the application has configured it."""
    structlog = sys.modules.get("structlog")
    return structlog if structlog is not None and structlog.is_configured() else None


class _Stderr:
    """Whatever stderr is at the moment; that nobody reads it, or that it is closed, is no reason for a job to fail."""

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)
            sys.stderr.flush()

    def flush(self) -> None:
        """Do nothing: it is done."""


_STDERR = _Stderr()


def _is_terminal() -> bool:
    with suppress(ValueError):  # it is closed
        return sys.stderr is not None and sys.stderr.isatty()
    return False
