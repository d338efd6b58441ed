"""How long webhooks take and how often they refuse, in kube-apiserver's names."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Histogram

_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10, 25)


class WebhookMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._durations = Histogram(
            "apiserver_admission_webhook_admission_duration_seconds",
            "How long calls of webhooks took.",
            ("name", "type", "operation", "rejected"),
            buckets=_BUCKETS,
            registry=registry,
        )

    @contextmanager
    def timed(self, name: str, phase: str, operation: str) -> Iterator[None]:
        """Around one call; an exception counts as a rejection."""
        began = time.monotonic()
        rejected = "true"
        try:
            yield
            rejected = "false"
        finally:
            self._durations.labels(name, phase, operation, rejected).observe(time.monotonic() - began)
