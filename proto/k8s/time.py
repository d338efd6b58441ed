"""Times as Kubernetes' API writes them: RFC 3339 in UTC (metav1.Time and metav1.MicroTime). Reading is datetime's own."""

from datetime import UTC, datetime


def format_time(at: datetime) -> str:
    """A metav1.Time: whole seconds, cut off. `at` is aware."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(at: datetime) -> str:
    """A metav1.MicroTime, as Leases and events.k8s.io carry. `at` is aware."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
