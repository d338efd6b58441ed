"""Type checking of a policy: its expressions against the types of the objects that its rules name, in status.typeChecking.

What it finds are warnings: a policy may match kinds that have the field and others that have not.
Source: k8s.io/apiserver pkg/admission/plugin/policy/validating/typechecking.go
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from master.api.admission.dynamic.policies.object_types import ObjectTypes
from master.api.admission.dynamic.policies.program import PolicyProgram
from master.api.cel.types import Type
from master.api.kinds.kind import Kind
from master.client.protocol import Json

#: Kubernetes' maxTypesToCheck.
_MOST_TYPES = 10
_NOT_COMPILED = "compilation failed: "
_CHECKED = "spec.validations["


def expression_warnings(spec: Mapping[str, Any], kinds: Iterable[Kind], types: ObjectTypes) -> Sequence[Json]:
    """ExpressionWarnings, of each expression those of all types in one."""
    found: dict[str, list[str]] = {}
    served = list(kinds)
    params = _params_type(spec, served, types)
    for kind in _kinds_of(spec, served):
        made = types.of(kind)
        program = PolicyProgram(spec, {"object": made, "oldObject": made, **params})
        for place, _source, problem in program.problems:
            if place.startswith(_CHECKED) and problem.startswith(_NOT_COMPILED):
                name = f"{kind.group}/{kind.version}, Kind={kind.kind}"
                found.setdefault(place, []).append(f"{name}: {problem.removeprefix(_NOT_COMPILED)}")
    return [{"fieldRef": place, "warning": "\n".join(texts)} for place, texts in found.items()]


def _params_type(spec: Mapping[str, Any], kinds: Sequence[Kind], types: ObjectTypes) -> dict[str, Type]:
    wanted = spec.get("paramKind")
    if wanted is None:
        return {}
    matching = (kind for kind in kinds if (kind.api_version, kind.kind) == (wanted.get("apiVersion"), wanted.get("kind")))
    found = next(matching, None)
    return {} if found is None else {"params": types.of(found)}


def _kinds_of(spec: Mapping[str, Any], kinds: Sequence[Kind]) -> Sequence[Kind]:
    """Kinds that the rules name without wildcards; of subresources none."""
    found: dict[tuple[str, str, str], Kind] = {}
    for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
        groups, versions, resources = (rule.get(name) or () for name in ("apiGroups", "apiVersions", "resources"))
        if "*" in (*groups, *versions):
            continue
        for kind in kinds:
            if kind.group in groups and kind.version in versions and kind.plural in resources:
                found.setdefault((kind.group, kind.version, kind.kind), kind)
    return [found[key] for key in sorted(found)][:_MOST_TYPES]
