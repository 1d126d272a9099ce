"""The examples of encrypted and secure jobs hide what they are to hide, and run where they may."""

from __future__ import annotations

import pytest
from fakes.raw import raw
from homes import Home

from qcore.crypto.keyring import generate_key

DISPATCH = """
from secrets_jobs import *
ProcessSensitiveDataJob.dispatch("the diagnosis")
ProcessPaymentJob.dispatch({"card": "4111-1111", "amount": 12})
"""


@pytest.fixture
def keyed(home: Home, store_url: str) -> Home:
    home.environment |= {"QCTL_URL": store_url, "QCTL_KEY": generate_key()}
    return home


def test_both_on_each_store(keyed: Home, store_url: str) -> None:
    keyed.python(DISPATCH)
    held = raw(store_url)
    assert b"secrets_jobs:ProcessPaymentJob" in held, "the class is not hidden"
    assert b"diagnosis" not in held
    assert b"4111-1111" not in held
    keyed.work("--grant=process_payments")
    assert keyed.lines("processed.txt") == ["the diagnosis", "4111-1111"]


def test_a_worker_without_the_permission_refuses(home: Home) -> None:
    home.python(DISPATCH)
    home.work()
    assert home.lines("processed.txt") == ["the diagnosis"]
    [job] = home.json("failed")["jobs"]
    assert "PermissionDenied" in job["error"]
    assert "4111" not in home.qctl("show", job["id"]) + home.qctl("failed")


@pytest.mark.parametrize("job", ['ProcessSensitiveDataJob.dispatch("x")', "ProcessPaymentJob.dispatch({})"])
def test_without_a_key_the_command_is_named(home: Home, job: str) -> None:
    home.environment["QCTL_URL"] = "memory://"
    program = f"""
from secrets_jobs import *
from qcore import ConfigurationError
try:
    {job}
except ConfigurationError as error:
    print(error.hint)
"""
    assert "qctl key:generate" in home.python(program)


def test_a_queue_that_encrypts(home: Home) -> None:
    home.environment["QCTL_APP"] = "queues"
    home.python("from queues import jobs; jobs.SendEmailJob.dispatch('user@example.com', 'Welcome', 'Hello!')")
    held = raw(f"sqlite:///{home.folder}/queue.db")
    assert b"jobs:SendEmailJob" in held
    assert b"Welcome" not in held
    [job] = home.json("jobs", "--queue=emails")["jobs"]
    assert home.json("show", job["id"])["arguments"] == "•••"
    home.work("--queue=emails")
    assert home.subjects() == ["Welcome"]
