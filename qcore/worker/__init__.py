"""Runs jobs: the worker, its options, and who may listen to it."""

from qcore.worker.observer import StopReason, WorkerObserver
from qcore.worker.options import SupervisorOptions, WorkerOptions
from qcore.worker.worker import Worker

__all__ = ["StopReason", "SupervisorOptions", "Worker", "WorkerObserver", "WorkerOptions"]
