"""A shop on Flask, whose receipts are sent after the response: `flask --app flask_shop run`."""

from __future__ import annotations

from typing import Any

from flask import Flask, request

from flask_shop.jobs import SendReceipt
from qcore import JobNotFound, JobRecord
from qcore.integrations.flask import Queue

queue = Queue()


def create_app(config: dict[str, Any] | None = None) -> Flask:
    """Make the application."""
    app = Flask(__name__)
    app.config["QCORE"] = {"app": "flask_shop.jobs"}
    app.config["SHOP"] = "The shop"
    app.config.update(config or {})
    queue.init_app(app)

    @app.post("/orders")
    def order() -> tuple[dict[str, str], int]:
        """Take an order; the job goes to the store once the customer has the answer."""
        given = request.get_json()
        return {"job": SendReceipt.dispatch_after_response(given["number"], given["address"])}, 202

    @app.get("/jobs/<job_id>")
    def job(job_id: str) -> dict[str, Any] | tuple[dict[str, str], int]:
        """Tell how far a job is."""
        try:
            record = JobRecord.find(job_id)
        except JobNotFound:
            return {"error": "no such job"}, 404
        return {"state": record.state, "result": record.result}

    return app
