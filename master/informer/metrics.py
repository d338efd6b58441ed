"""Metrics of work queues and workers, with Kubernetes' names where it has them."""

from prometheus_client import Counter, Gauge, Histogram

ADDS = Counter("workqueue_adds_total", "Keys added to a work queue", ["name"])
DEPTH = Gauge("workqueue_depth", "Keys that wait in a work queue", ["name"])
RETRIES = Counter("workqueue_retries_total", "Keys added to a work queue again with back-off", ["name"])
WORK_DURATION = Histogram("workqueue_work_duration_seconds", "Seconds that processing a key takes", ["name"])
RECONCILES = Counter(
    "reconcile_total", "Reconciled keys by outcome: success, retry, api_error, terminal, bug", ["name", "result"]
)
RELISTS = Counter("informer_relists_total", "Lists that an informer made, its first included", ["plural"])
EVENTS_DROPPED = Counter("informer_undecodable_total", "Objects that an informer could not decode", ["plural"])
