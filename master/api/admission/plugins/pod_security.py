"""PodSecurity: a namespace's labels say which Pod Security Standard its pods must keep, and of which to warn or to write down.

Pods are refused; whoever makes workloads is warned of what their pods would violate. A namespace that gets a stricter level is
told of the pods that it has. Source: https://kubernetes.io/docs/concepts/security/pod-security-admission/
"""

from collections.abc import Iterable, Sequence

from master.api.admission.pod_security.evaluator import details, reasons, violations
from master.api.admission.pod_security.policy import PREFIX, LevelVersion, Policy, policy_of
from master.api.admission.protocol import AdmissionContext, AdmissionRequest, ObjectLookup, ValidatingPlugin
from master.api.audit.current import annotate
from master.client.errors import Cause, forbidden, invalid
from master.client.protocol import Json

ORDER = 25

#: Where each kind that makes pods has their template.
_TEMPLATES: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "podtemplates"): ("template",),
    ("", "replicationcontrollers"): ("spec", "template"),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "daemonsets"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
}
_WRITES_NO_SPEC = frozenset({"exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"})
_MAX_PODS = 3000


class PodSecurity:
    def __init__(self, reader: ObjectLookup) -> None:
        self._reader = reader

    async def validate(self, request: AdmissionRequest, obj: Json) -> None:
        if request.operation == "DELETE":
            return
        resource = request.resource
        if (resource.group, resource.plural) == ("", "namespaces"):
            if not request.subresource:
                await self._validate_namespace(request, obj)
        elif (resource.group, resource.plural) == ("", "pods"):
            if request.subresource not in _WRITES_NO_SPEC:
                await self._validate_pod(request, obj)
        elif not request.subresource:
            steps = _TEMPLATES.get((resource.group, resource.plural))
            if steps is not None:
                await self._validate_workload(request, _at(obj, steps))

    async def _policy(self, request: AdmissionRequest) -> Policy:
        found = await self._reader.lookup("", "namespaces", "", request.namespace, _policy_of_namespace)
        policy, causes = found or policy_of(None)
        if causes:
            annotate(PREFIX + "error", "Failed to parse policy: " + "; ".join(f"{c.field}: {c.message}" for c in causes))
        return policy

    async def _validate_pod(self, request: AdmissionRequest, pod: Json) -> None:
        policy = await self._policy(request)
        if policy.only_privileged or (request.old is not None and not _is_significant(pod, request.old)):
            return
        metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
        annotate(PREFIX + "enforce-policy", str(policy.enforce))
        _audit(policy.audit, metadata, spec)
        found = violations(policy.enforce, metadata, spec)
        if found:
            why = f'violates PodSecurity "{policy.enforce}": {details(found)}'
            raise forbidden("pods", "", request.name, why)
        _warn(request, policy.warn, metadata, spec)

    async def _validate_workload(self, request: AdmissionRequest, template: Json | None) -> None:
        policy = await self._policy(request)
        if template is None or (policy.warn.level, policy.audit.level) == ("privileged", "privileged"):
            return
        metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
        _audit(policy.audit, metadata, spec)
        _warn(request, policy.warn, metadata, spec)

    async def _validate_namespace(self, request: AdmissionRequest, namespace: Json) -> None:
        policy, causes = policy_of(namespace["metadata"].get("labels"))
        if request.old is None:
            if causes:
                raise invalid("Namespace", "", request.name, causes)
            return
        before, former = policy_of(request.old["metadata"].get("labels"))
        if causes and causes != former:
            raise invalid("Namespace", "", request.name, causes)
        wanted, was = policy.enforce, before.enforce
        relaxed = wanted.minor == was.minor and wanted.strictness <= was.strictness
        if wanted.level == "privileged" or relaxed:
            return
        pods = await self._reader.read_all("", "pods", request.name)
        for warning in _warnings_of_pods(request.name, wanted, pods):
            request.warn(warning)


def _policy_of_namespace(namespace: Json) -> tuple[Policy, Sequence[Cause]]:
    return policy_of((namespace.get("metadata") or {}).get("labels"))


def _audit(level: LevelVersion, metadata: Json, spec: Json) -> None:
    if found := violations(level, metadata, spec):
        annotate(PREFIX + "audit-violations", f'would violate PodSecurity "{level}": {details(found)}')


def _warn(request: AdmissionRequest, level: LevelVersion, metadata: Json, spec: Json) -> None:
    if found := violations(level, metadata, spec):
        request.warn(f'would violate PodSecurity "{level}": {details(found)}')


def _warnings_of_pods(namespace: str, level: LevelVersion, pods: Iterable[Json]) -> list[str]:
    """What is told of the pods that a namespace has already: each set of violations once, with its first pod."""
    listed = _one_of_each_controller_first(pods)
    names: dict[str, list[str]] = {}
    for pod in listed[:_MAX_PODS]:
        if found := violations(level, pod["metadata"], pod.get("spec") or {}):
            names.setdefault(reasons(found), []).append(pod["metadata"]["name"])
    warnings = []
    if len(listed) > _MAX_PODS:
        text = f"new PodSecurity enforce level only checked against the first {_MAX_PODS} of {len(listed)} existing pods"
        warnings.append(text)
    if names:
        warnings.append(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"')
    return warnings + sorted(f"{_first(pods_of)}: {why}" for why, pods_of in names.items())


def _first(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other pod{'s' if others > 1 else ''})"


def _one_of_each_controller_first(pods: Iterable[Json]) -> list[Json]:
    """So that a large ReplicaSet does not use up what is looked at."""
    first: list[Json] = []
    others: list[Json] = []
    seen: set[str] = set()
    for pod in pods:
        owner = next((one["uid"] for one in pod["metadata"].get("ownerReferences") or () if one.get("controller")), "")
        (others if owner and owner in seen else first).append(pod)
        seen.add(owner)
    return first + others


def _at(obj: Json, steps: tuple[str, ...]) -> Json | None:
    found: Json | None = obj
    for step in steps:
        found = (found or {}).get(step)
    return found


def _is_significant(pod: Json, old: Json) -> bool:
    """Whether an update brings an image or a container that was not looked at yet."""
    spec, before = pod.get("spec") or {}, old.get("spec") or {}
    for field in ("containers", "initContainers"):
        now, was = spec.get(field) or (), before.get(field) or ()
        if [one.get("image") for one in now] != [one.get("image") for one in was]:
            return True
    known = {one.get("name"): one.get("image") for one in before.get("ephemeralContainers") or ()}
    return any(
        one.get("name") not in known or known[one.get("name")] != one.get("image")
        for one in spec.get("ephemeralContainers") or ()
    )


def validating(context: AdmissionContext) -> ValidatingPlugin:
    return PodSecurity(context.reader)
