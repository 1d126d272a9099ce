"""What a person may know of the queues, and do to them: the only door for commands and screens."""

from qcore.monitor.actions import Actions
from qcore.monitor.metrics import JobMetrics, Metrics
from qcore.monitor.monitor import Monitor
from qcore.monitor.queue_actions import ActionResult
from qcore.monitor.records import JobRecord

__all__ = ["ActionResult", "Actions", "JobMetrics", "JobRecord", "Metrics", "Monitor"]
