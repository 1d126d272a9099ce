"""From configuration to open connections; where queues are defined and jobs are dispatched."""

from qcore.manager.definitions import define_queue
from qcore.manager.manager import QueueManager

__all__ = ["QueueManager", "define_queue"]
