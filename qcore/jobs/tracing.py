"""Whether jobs are traced: where OpenTelemetry has a provider, and nobody said otherwise. Else nothing is imported.

The API alone says little: other packages bring it along, and without a provider its spans lead nowhere, at a price.
The spans themselves are made in `spans`, which is loaded then and only then.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from qcore.errors import ConfigurationError

if TYPE_CHECKING:
    from qcore.jobs.spans import Spans

_API = "opentelemetry.trace"
_NAMED = "OTEL_PYTHON_TRACER_PROVIDER"
"""The variable by which the API itself is told of a provider, which it then loads when first asked."""


def spans(is_wanted: bool | None) -> Spans | None:
    """What traces the jobs of this process; None where they are not, so far: a provider may be set later.

    Args:
        is_wanted: as the setting `tracing` says; None: if there is a provider.

    Raises:
        ConfigurationError: it is wanted, and cannot be.
    """
    if is_wanted is False:
        return None
    if is_wanted:
        found = _made()
        if found is None:
            raise ConfigurationError(
                "tracing = true, and opentelemetry-api is not installed", hint="pip install 'qctl[otel]'"
            )
        return found
    api = sys.modules.get(_API)
    if api is None:
        return _made() if _is_named() else None
    return _made() if _leads_somewhere(api) else None


@cache
def _is_named() -> bool:
    return _NAMED in os.environ


def _leads_somewhere(api: Any) -> bool:
    return not isinstance(api.get_tracer_provider(), (api.ProxyTracerProvider, api.NoOpTracerProvider))


@cache
def _made() -> Spans | None:
    if find_spec("opentelemetry") is None or find_spec(_API) is None:
        return None
    from qcore.jobs.spans import Spans

    return Spans()
