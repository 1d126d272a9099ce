"""Django: an app for `INSTALLED_APPS`, whose settings are `QCORE`.

    INSTALLED_APPS = [..., "qcore.integrations.django"]
    MIDDLEWARE = ["qcore.integrations.django.middleware.after_response", ...]  # for `dispatch_after_response`
    QCORE = {"url": "redis://cache:6379/0"}

Jobs with `after_commit` wait for the transaction of Django's that they are dispatched in; `manage.py qctl` is `qctl`.
"""
