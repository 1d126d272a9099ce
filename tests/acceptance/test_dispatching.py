"""The examples of job classes and dispatching do what the requirements say."""

from __future__ import annotations

import json
import uuid

from homes import Home


def test_every_form_of_dispatch_on_each_store(home: Home, store_url: str) -> None:
    home.environment["QCTL_URL"] = store_url
    printed = dict(line.split() for line in home.run("python", "dispatching.py").stdout.splitlines())
    assert {uuid.UUID(printed[form]).version for form in ("basic", "options", "if")} == {7}
    assert printed["unless"] == "None"
    assert home.subjects() == ["Now"], "only the one that bypasses the queue was sent"
    assert home.queue("emails")["pending"] == 2
    assert home.queue("high-priority")["delayed"] == 1

    home.work("--queue=high-priority,emails")

    assert home.subjects() == ["Now", "Welcome", "News"]
    assert home.queue("emails")["completed"] == 2
    assert home.queue("high-priority")["delayed"] == 1, "it is not due for a minute"


def test_a_fluent_dispatch_keeps_its_options(home: Home) -> None:
    home.run("python", "dispatching.py")
    [job] = home.json("jobs", "--state=delayed")["jobs"]
    assert (job["queue"], job["priority"]) == ("high-priority", 10)


def test_a_job_that_fails_is_tried_three_times_and_told_so(home: Home) -> None:
    home.python("from jobs import *; SendEmailJob.dispatch('full@example.com', 'Welcome', 'Hello!')")
    home.work("--queue=emails")
    assert home.lines("failures.txt") == ["full@example.com: the mailbox is full"]
    [job] = home.json("failed")["jobs"]
    assert job["attempts"] == 3
    assert "mailbox is full" in json.dumps(job)


def test_a_failed_job_can_be_put_back(home: Home) -> None:
    home.python("from jobs import *; SendEmailJob.dispatch('full@example.com', 'Welcome', 'Hello!')")
    home.work("--queue=emails")
    home.qctl("failed", "--retry")
    assert home.json("failed")["jobs"] == []
    assert home.queue("emails")["pending"] == 1


def test_a_job_can_be_found_by_its_id(home: Home) -> None:
    program = """
from jobs import SendEmailJob
from qcore import JobRecord, JobState
job_id = SendEmailJob.dispatch("user@example.com", "Welcome", "Hello!")
assert JobRecord.find(job_id).state is JobState.PENDING
print(job_id)
"""
    job_id = home.python(program).strip()
    home.work("--queue=emails")
    home.python(f"from qcore import *; assert JobRecord.find('{job_id}').state is JobState.COMPLETED")


def test_the_colon_form_is_the_same_command(home: Home) -> None:
    home.run("python", "dispatching.py")
    home.qctl("queue:work", "--queue=high-priority,emails", "--timeout=60", "--memory=256", "--stop-when-empty")
    assert home.subjects() == ["Now", "Welcome", "News"]
