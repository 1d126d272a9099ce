"""Dispatching as the requirements show it."""

from __future__ import annotations

from jobs import SendEmailJob, User

user = User(wants_emails=True, unsubscribed=True)

# Basic dispatch
job_id = SendEmailJob.dispatch("user@example.com", "Welcome", "Hello!")
print("basic", job_id)

# Dispatch with options
job_id = SendEmailJob("user@example.com", "Later", "Hello!") \
    .on_queue("high-priority") \
    .delay_until(60) \
    .with_priority(10) \
    .dispatch()  # fmt: skip
print("options", job_id)

# Conditional dispatch
print("if", SendEmailJob.dispatch_if(user.wants_emails, "user@example.com", "News", "..."))
print("unless", SendEmailJob.dispatch_unless(user.unsubscribed, "user@example.com", "Unwanted", "..."))

# Immediate execution (bypass queue)
SendEmailJob.dispatch_now("user@example.com", "Now", "Hello!")
