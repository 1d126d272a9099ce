"""Whether jobs are traced: where `opentelemetry-api` is installed and nobody said otherwise. Else nothing is imported.

The spans themselves are made in `spans`, which is loaded then and only then.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from qcore.errors import ConfigurationError

if TYPE_CHECKING:
    from qcore.jobs.spans import Spans


def spans(is_wanted: bool | None) -> Spans | None:
    """What traces the jobs of this process; None where they are not.

    Args:
        is_wanted: as the setting `tracing` says; None: if it can be.

    Raises:
        ConfigurationError: it is wanted, and cannot be.
    """
    if is_wanted is False:
        return None
    found = _found()
    if found is None and is_wanted:
        raise ConfigurationError(
            "tracing = true, and opentelemetry-api is not installed", hint="pip install 'qctl[otel]'"
        )
    return found


@cache
def _found() -> Spans | None:
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.trace") is None:
        return None
    from qcore.jobs.spans import Spans

    return Spans()
