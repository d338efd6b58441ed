"""Named checks behind /livez and /readyz, in the words of Kubernetes' health endpoints.

Source: https://kubernetes.io/docs/reference/using-api/health-checks/. Pure: the parts tell their own problem.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: Tells what is wrong now, in one line without secrets; "" when nothing is.
Check = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`text` is the body of a verbose answer."""

    ok: bool
    text: str


def judge(name: str, checks: Mapping[str, Check]) -> Verdict:
    """Run the checks of an endpoint (`name`: livez, readyz, healthz)."""
    problems = {check: tell() for check, tell in checks.items()}
    lines = [f"[+]{check} ok" if not problem else f"[-]{check} failed: {problem}" for check, problem in problems.items()]
    ok = not any(problems.values())
    lines.append(f"{name} check {'passed' if ok else 'failed'}")
    return Verdict(ok, "\n".join(lines) + "\n")
