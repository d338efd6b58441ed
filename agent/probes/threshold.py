"""Turns single probe results into a verdict: so many in a row of one kind. Pure."""

from dataclasses import dataclass, field

from agent.probes.protocol import Outcome


@dataclass(slots=True)
class Threshold:
    """verdict: what holds now; None until it is first decided."""

    successes: int
    failures: int
    verdict: bool | None = None
    _run: int = field(default=0)
    _last: Outcome = field(default="unknown")

    def take(self, outcome: Outcome) -> bool:
        """Count one result; True when the verdict changed by it. An unknown one counts neither way."""
        if outcome == "unknown":
            return False
        if outcome == "warning":
            outcome = "success"
        self._run = self._run + 1 if outcome == self._last else 1
        self._last = outcome
        if self._run < (self.successes if outcome == "success" else self.failures):
            return False
        verdict = outcome == "success"
        changed = verdict != self.verdict
        self.verdict = verdict
        return changed
