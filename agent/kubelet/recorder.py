"""Events on a pod and its containers, in kubelet's words. One per pod worker."""

from lightkube.models.core_v1 import Container, Pod

from agent.kubelet.pods import field_path
from agent.reporter import Reporter


class Recorder:
    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def normal(self, pod: Pod, reason: str, message: str, container: Container | None = None) -> None:
        self._event(pod, "Normal", reason, message, container)

    def warning(self, pod: Pod, reason: str, message: str, container: Container | None = None) -> None:
        self._event(pod, "Warning", reason, message, container)

    def _event(self, pod: Pod, type_: str, reason: str, message: str, container: Container | None) -> None:
        where = field_path(pod, container) if container is not None else ""
        self._reporter.event(pod, type_, reason, message, field_path=where)
