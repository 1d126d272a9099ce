"""Log lines that are bound to the attempt they come from: through structlog where it is installed, else `logging`.

Where nobody configured either, lines from INFO up go to stderr: for people on a terminal, elsewhere as JSON.
"""

from __future__ import annotations

import functools
import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol, Self

import msgspec

_LEAST = logging.INFO
"""Of the lines that are written where nobody configured logging."""
_DEPTH = 3
"""Frames from `logging` to whoever writes a line."""


class Log(Protocol):
    """What `self.log` offers in a job, whoever writes the lines."""

    def bind(self, **fields: Any) -> Self:
        """Return a logger whose lines bear these fields too."""
        ...

    def debug(self, event: str, *args: Any, **fields: Any) -> Any:
        """Write a line for those who look for a mistake."""
        ...

    def info(self, event: str, *args: Any, **fields: Any) -> Any:
        """Write a line about what happens."""
        ...

    def warning(self, event: str, *args: Any, **fields: Any) -> Any:
        """Write a line about what somebody should look at."""
        ...

    def error(self, event: str, *args: Any, **fields: Any) -> Any:
        """Write a line about what went wrong."""
        ...

    def critical(self, event: str, *args: Any, **fields: Any) -> Any:
        """Write a line about what must be mended now."""
        ...

    def exception(self, event: str, *args: Any, **fields: Any) -> Any:
        """Write a line about what went wrong, with the traceback of the exception at hand."""
        ...


def bound(name: str, mask: Callable[[str], str] | None = None, /, **fields: Any) -> Log:
    """Make a logger whose lines bear these fields.

    Args:
        name: of the logger, as in `logging.getLogger`.
        mask: takes out of each line what must stay hidden.
        fields: of every line.
    """
    structlog = _structlog()
    if structlog is None:
        own = _BoundLog(logging.getLogger(name), fields, _DEPTH + (mask is not None))
        return own if mask is None else _MaskedLog(own, mask)
    logger = structlog.get_logger(name) if structlog.is_configured() else _unconfigured(structlog, _is_terminal())
    log: Log = logger.bind(logger=name, **fields)
    return log if mask is None else _MaskedLog(log, mask)


@functools.cache
def _structlog() -> Any:
    try:
        import structlog  # in an environment that has it
    except ModuleNotFoundError:
        return None
    return structlog


@functools.lru_cache
def _unconfigured(structlog: Any, is_terminal: bool) -> Any:
    """Make the logger of an application that has structlog and never configured it: it would write to stdout."""
    if is_terminal:  # its usual way of showing errors shows the values of variables, too
        last = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        last = structlog.processors.JSONRenderer(default=str)
    processors = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        *([] if is_terminal else [structlog.processors.format_exc_info]),
        last,
    ]
    wrapper = structlog.make_filtering_bound_logger(_LEAST)
    # A line and its end are one write: those of other processes come before or after it, not between.
    return structlog.wrap_logger(structlog.WriteLogger(_STDERR), processors=processors, wrapper_class=wrapper)


class _BoundLog:
    """Lines of the standard library's logger: the fields stand behind the event, and in the record's `fields`."""

    def __init__(self, logger: logging.Logger, fields: dict[str, Any], depth: int) -> None:
        self._logger = logger
        self._fields = fields
        self._depth = depth

    def bind(self, **fields: Any) -> Self:
        return type(self)(self._logger, self._fields | fields, self._depth)

    def debug(self, event: str, *args: Any, **fields: Any) -> None:
        self._say(logging.DEBUG, event, args, fields)

    def info(self, event: str, *args: Any, **fields: Any) -> None:
        self._say(logging.INFO, event, args, fields)

    def warning(self, event: str, *args: Any, **fields: Any) -> None:
        self._say(logging.WARNING, event, args, fields)

    def error(self, event: str, *args: Any, **fields: Any) -> None:
        self._say(logging.ERROR, event, args, fields)

    def critical(self, event: str, *args: Any, **fields: Any) -> None:
        self._say(logging.CRITICAL, event, args, fields)

    def exception(self, event: str, *args: Any, **fields: Any) -> None:
        self._say(logging.ERROR, event, args, {"exc_info": True, **fields})

    def _say(self, level: int, event: str, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
        error = _error_of(fields.pop("exc_info", None))
        words = _filled(event, args)
        told = self._fields | fields
        if not self._logger.hasHandlers():
            if level >= _LEAST:
                _STDERR.write(_line(level, self._logger.name, words, told, error) + "\n")
        elif self._logger.isEnabledFor(level):
            info = (type(error), error, error.__traceback__) if error is not None else None
            text = " ".join([words, *_pairs(told)])
            self._logger.log(level, text, exc_info=info, extra={"event": words, "fields": told}, stacklevel=self._depth)


class _MaskedLog:
    """Lines of another log without what is hidden, be it in their words, in their fields or in an exception."""

    def __init__(self, log: Log, mask: Callable[[str], str]) -> None:
        self._log = log
        self._mask = mask

    def bind(self, **fields: Any) -> Self:
        return type(self)(self._log.bind(**self._told(fields)), self._mask)

    def debug(self, event: str, *args: Any, **fields: Any) -> None:
        self._log.debug(self._words(event, args), **self._told(fields))

    def info(self, event: str, *args: Any, **fields: Any) -> None:
        self._log.info(self._words(event, args), **self._told(fields))

    def warning(self, event: str, *args: Any, **fields: Any) -> None:
        self._log.warning(self._words(event, args), **self._told(fields))

    def error(self, event: str, *args: Any, **fields: Any) -> None:
        self._log.error(self._words(event, args), **self._told(fields))

    def critical(self, event: str, *args: Any, **fields: Any) -> None:
        self._log.critical(self._words(event, args), **self._told(fields))

    def exception(self, event: str, *args: Any, **fields: Any) -> None:
        self._log.error(self._words(event, args), **self._told({"exc_info": True, **fields}))

    def _words(self, event: str, args: tuple[Any, ...]) -> str:
        return self._mask(_filled(event, args))

    def _told(self, fields: dict[str, Any]) -> dict[str, Any]:
        error = _error_of(fields.pop("exc_info", None))
        told: dict[str, Any] = self._hidden(fields)
        if error is not None:
            told["exception"] = self._mask("".join(traceback.format_exception(error)))
        return told

    def _hidden(self, value: Any) -> Any:
        """The value as it may be shown: itself, where no writing of it quotes what is hidden."""
        if isinstance(value, str):
            return self._mask(value)
        if isinstance(value, dict):
            return {
                key if not isinstance(key, str) else self._mask(key): self._hidden(one) for key, one in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._hidden(one) for one in value]
        if value is None or isinstance(value, bool):
            return value
        is_clean = all(self._mask(text) == text for text in (str(value), repr(value)))
        return value if is_clean else self._mask(str(value))


def _filled(event: str, args: tuple[Any, ...]) -> str:
    """Fill in the arguments as `logging` does; a line that does not fit them is no reason for a job to fail."""
    try:
        return event % args if args else event
    except (TypeError, ValueError):
        return f"{event} {args}"


def _error_of(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    return sys.exc_info()[1] if given else None


def _line(level: int, name: str, event: str, fields: dict[str, Any], error: BaseException | None) -> str:
    now = datetime.now(UTC)
    told = "".join(traceback.format_exception(error)) if error is not None else ""
    if _is_terminal():
        shown = f"{now.astimezone():%H:%M:%S}  {logging.getLevelName(level):<8}{event}"
        return "  ".join([shown, *_pairs(fields)]) + (f"\n{told.rstrip()}" if told else "")
    first = {"at": now.isoformat(), "level": logging.getLevelName(level).lower(), "event": event, "logger": name}
    last = first | ({"exception": told} if told else {})
    return msgspec.json.encode({**first, **fields, **last}, enc_hook=str).decode()


def json_line(record: logging.LogRecord) -> str | None:
    """A record with fields as it is written where nobody watches; None of one without, or on a terminal."""
    fields = getattr(record, "fields", None)
    if fields is None or _is_terminal():
        return None
    return _line(record.levelno, record.name, getattr(record, "event", record.getMessage()), fields, None)


def _pairs(fields: dict[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in fields.items()]


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
