"""Django's settings, as few as will do."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("SHOP_FOLDER", Path(__file__).parents[1]))
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "not for production")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["qcore.integrations.django", "orders"]
MIDDLEWARE = ["qcore.integrations.django.middleware.after_response"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "shop.db"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

QCORE = {"url": f"sqlite:///{FOLDER / 'queue.db'}"}
