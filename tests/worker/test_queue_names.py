"""Which queues a worker is told to serve: what names none is refused, and never means the default one."""

from __future__ import annotations

from typing import Any

import pytest

from qcore import QueueManager
from qcore.errors import ConfigurationError
from qcore.worker import Worker
from qcore.worker.options import queue_names


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (None, ()),
        ("mail", ("mail",)),
        (" high, default ,", ("high", "default")),
        ("a,b,a", ("a", "b")),
        (["a", " b "], ("a", "b")),
    ],
)
def test_names_are_read_once_each_and_in_order(said: Any, names: tuple[str, ...]) -> None:
    assert queue_names(said) == names


@pytest.mark.parametrize("said", ["", ",", " , ", [], ["", " "]])
def test_what_names_no_queue_is_refused(said: Any) -> None:
    with pytest.raises(ConfigurationError) as refused:
        queue_names(said)
    assert refused.value.message == f"a worker's queues: {said!r} names no queue"
    assert refused.value.hint == 'write names, such as "high,default", or leave them out for the default queue'


def test_a_worker_that_is_told_none_serves_none(manager: QueueManager) -> None:
    with pytest.raises(ConfigurationError, match="names no queue"):
        Worker(",", manager=manager)
    assert Worker(manager=manager).queues == ["default"]
