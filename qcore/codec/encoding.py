"""Values to bytes. What is plain goes the short way; the rest is tagged first."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any

import msgspec

from qcore.codec.tagging import Refused, tagged
from qcore.errors import PayloadError

_PLAIN_DEPTH = 16
_SCALARS = frozenset({str, int, float, bool, bytes, NoneType})
_TEXT_ALONE = {str}
_encode = msgspec.msgpack.Encoder().encode


def encode_arguments(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    job: str,
    target: Callable[..., Any] | None = None,
) -> bytes:
    """Encode what a job was built with.

    Args:
        args: by position.
        kwargs: by name.
        job: class path of the job, for the error.
        target: what will be called with them; names the positions in an error.

    Returns:
        Bytes for `decode_arguments`.

    Raises:
        PayloadError: a value that cannot travel; says which argument, where in it, its type and what to do.
    """
    if _is_plain(args, _PLAIN_DEPTH) and _is_plain(kwargs.values(), _PLAIN_DEPTH):
        try:
            return _encode((args, kwargs))
        except (OverflowError, UnicodeEncodeError):  # an int beyond 64 bits, text that is no Unicode
            pass
    return _encode_tagged(args, kwargs, job, target)


def encode_value(value: Any, *, what: str) -> bytes:
    """Encode one value.

    Args:
        value: of the types that arguments may have.
        what: names it in the error, as in `result of job "app:Job"`.

    Raises:
        PayloadError: it cannot travel.
    """
    if _is_plain((value,), _PLAIN_DEPTH):
        try:
            return _encode(value)
        except (OverflowError, UnicodeEncodeError):  # an int beyond 64 bits, text that is no Unicode
            pass
    try:
        return _encode(tagged(value))
    except Refused as refused:
        raise _error(refused, what) from None


def _is_plain(values: Iterable[Any], depth: int) -> bool:
    """Whether MessagePack knows all of these by itself; exact types, since a subclass would come back bare."""
    for value in values:
        kind = type(value)
        if kind in _SCALARS:
            continue
        if depth == 0:
            return False
        if kind is list:
            if not _is_plain(value, depth - 1):
                return False
        elif kind is not dict or not _is_plain_dict(value, depth - 1):
            return False
    return True


def _is_plain_dict(value: dict[Any, Any], depth: int) -> bool:
    return {*map(type, value)} <= _TEXT_ALONE and _is_plain(value.values(), depth)


def _encode_tagged(args: tuple[Any, ...], kwargs: dict[str, Any], job: str, target: Callable[..., Any] | None) -> bytes:
    listed: list[Any] = []
    named: dict[str, Any] = {}
    try:
        for value in args:
            listed.append(tagged(value))  # noqa: PERF401  the length so far names the argument in an error
        for name, value in kwargs.items():
            named[name] = tagged(value)
        return _encode((listed, named))
    except Refused as refused:
        after = [*kwargs][len(named) :] if len(listed) == len(args) else []
        place = f'argument "{after[0]}"' if after else _position(len(listed), target)
        raise _error(refused, f'job "{job}": {place}') from None
    except UnicodeEncodeError as error:
        raise PayloadError(f'job "{job}": the name of an argument is no Unicode') from error


def _error(refused: Refused, place: str) -> PayloadError:
    return PayloadError(f"{place}{refused.path} {refused.reason}", hint=refused.hint)


def _position(place: int, target: Callable[..., Any] | None) -> str:
    """Name a positional argument: by its parameter where the target tells, else by its place, from 1."""
    try:
        names = list(inspect.signature(target).parameters.values()) if target else []
    except (TypeError, ValueError):  # a callable of C, without a signature
        names = []
    if place < len(names) and names[place].kind in _NAMED:
        return f'argument "{names[place].name}"'
    return f"argument {place + 1}"


_NAMED = frozenset({inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD})
