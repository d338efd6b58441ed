"""Policy and Binding: a ValidatingAdmissionPolicy and what puts it into force, compiled for matching."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from master.api.admission.dynamic.match_conditions import MatchConditions
from master.api.admission.dynamic.matching import Criteria
from master.client.protocol import Json

if TYPE_CHECKING:
    from master.api.admission.dynamic.policies.program import PolicyProgram

_RULES, _EXCLUDED = "resourceRules", "excludeResourceRules"


class Policy:
    """Its expressions are compiled when they are first evaluated, in the thread that does it."""

    def __init__(self, obj: Json) -> None:
        spec = obj.get("spec") or {}
        self.name: str = obj["metadata"]["name"]
        self.spec: Mapping[str, Any] = spec
        self.criteria = Criteria.of(spec.get("matchConstraints") or {}, _RULES, _EXCLUDED)
        self.param_kind: Mapping[str, str] | None = spec.get("paramKind")
        self.fails_open = spec.get("failurePolicy") == "Ignore"
        conditions = spec.get("matchConditions")
        has_params = self.param_kind is not None
        self.conditions = (
            MatchConditions(conditions, fails_open=self.fails_open, has_params=has_params) if conditions else None
        )
        self._program: PolicyProgram | None = None

    def program(self) -> "PolicyProgram":
        """Called in a thread."""
        from master.api.admission.dynamic.policies.program import PolicyProgram

        if self._program is None:
            self._program = PolicyProgram(self.spec)
        return self._program


@dataclass(frozen=True, slots=True)
class Binding:
    """`criteria` None: it concerns all that its policy does. `actions`: Deny, Warn, Audit."""

    name: str
    policy: str
    criteria: Criteria | None
    param: Mapping[str, Any] | None
    actions: Sequence[str]


def policies_of(obj: Json) -> Sequence[Policy]:
    return [Policy(obj)]


def bindings_of(obj: Json) -> Sequence[Binding]:
    spec = obj.get("spec") or {}
    match = spec.get("matchResources")
    criteria = None
    if match is not None:
        criteria = Criteria.of(match, _RULES, _EXCLUDED)
        if not match.get(_RULES):
            # Without rules of its own a binding narrows its policy by selectors and exclusions only.
            criteria = criteria.for_any_resource()
    return [
        Binding(
            obj["metadata"]["name"],
            spec.get("policyName") or "",
            criteria,
            spec.get("paramRef"),
            spec.get("validationActions") or (),
        )
    ]
