"""Events on the Node: what changed of it, in kubelet's words. Fed by the kubelet with each report of the node's status.

As kubelet does, an agent that starts tells the conditions that it finds; later their changes alone.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from agent.kubelet.node.describer import Condition
from agent.reporter import Reporter

log = logging.getLogger(__name__)

_WORDS = {
    ("MemoryPressure", "True"): "NodeHasInsufficientMemory",
    ("MemoryPressure", "False"): "NodeHasSufficientMemory",
    ("DiskPressure", "True"): "NodeHasDiskPressure",
    ("DiskPressure", "False"): "NodeHasNoDiskPressure",
    ("PIDPressure", "True"): "NodeHasInsufficientPID",
    ("PIDPressure", "False"): "NodeHasSufficientPID",
    ("Ready", "True"): "NodeReady",
    ("Ready", "False"): "NodeNotReady",
}


class NodeEvents:
    def __init__(self, *, name: str, reporter: Reporter) -> None:
        self._name = name
        self._reporter = reporter
        self._conditions: dict[str, str] = {}
        self._unschedulable = False

    def started(self, boot: str, record: Path) -> None:
        """The kubelet begins; `record` holds the id of the boot in which it last did. Blocking; writes once per boot."""
        self._tell("Normal", "Starting", "Starting kubelet.")
        try:
            before = record.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            before = ""
        if before == boot or not boot:
            return
        if before:
            self._tell("Warning", "Rebooted", f"Node {self._name} has been rebooted, boot id: {boot}")
        try:
            fresh = record.with_suffix(".new")
            fresh.write_text(boot, encoding="ascii")
            os.replace(fresh, record)
        except OSError as error:
            log.warning("the boot's id could not be written", extra={"path": record, "error": error})

    def conditions(self, conditions: Iterable[Condition]) -> None:
        """The conditions as they are reported now."""
        for one in conditions:
            if self._conditions.get(one.type) != one.status:
                self._conditions[one.type] = one.status
                if (word := _WORDS.get((one.type, one.status))) is not None:
                    self._status_is_now(word)

    def schedulable(self, schedulable: bool) -> None:
        """Whether the Node's spec lets pods come."""
        if self._unschedulable == schedulable:
            self._unschedulable = not schedulable
            self._status_is_now("NodeSchedulable" if schedulable else "NodeNotSchedulable")

    def _status_is_now(self, word: str) -> None:
        self._tell("Normal", word, f"Node {self._name} status is now: {word}")

    def _tell(self, type_: str, reason: str, message: str) -> None:
        self._reporter.event(None, type_, reason, message)
