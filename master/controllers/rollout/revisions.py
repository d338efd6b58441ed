"""A Deployment's revisions: which ReplicaSet is its newest, how they are named and annotated, which of them are forgotten.

`kubectl rollout history` and `kubectl rollout undo` read exactly these annotations. Pure; called by the Deployment controller.
Source: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-back-a-deployment
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from lightkube.models.core_v1 import PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment, ReplicaSet

from master.controllers.objects.metadata import annotations_of, created, meta, name_of, terminating

POD_TEMPLATE_HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"

_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
    }
)
_HISTORY_LENGTH = 2000
"""Characters that the list of a ReplicaSet's former revisions may take."""

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Without vowels and look-alikes, so that a hash never spells a word."""


def template_hash(template: PodTemplateSpec, collision_count: int) -> str:
    """Ten characters at most for the label pod-template-hash. The same template always gives the same."""
    encoded = msgspec.json.encode(template, order="deterministic")
    if collision_count:
        encoded += collision_count.to_bytes(8, "little")
    value = 2166136261
    for byte in encoded:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return "".join(_ALPHABET[int(digit)] for digit in str(value))


def same_template(one: PodTemplateSpec | None, other: PodTemplateSpec | None) -> bool:
    """Whether two templates are equal but for the label pod-template-hash."""
    return one is not None and other is not None and _unhashed(one) == _unhashed(other)


def _unhashed(template: PodTemplateSpec) -> PodTemplateSpec:
    metadata = template.metadata or ObjectMeta()
    labels = {key: value for key, value in (metadata.labels or {}).items() if key != POD_TEMPLATE_HASH}
    return msgspec.structs.replace(
        template,
        metadata=msgspec.structs.replace(
            metadata, labels=labels or None, annotations=metadata.annotations or None, creationTimestamp=None
        ),
    )


def hashed_template(template: PodTemplateSpec, hash_: str) -> PodTemplateSpec:
    """The template with the label that tells this ReplicaSet's pods from its siblings'."""
    metadata = template.metadata or ObjectMeta()
    labels = {**(metadata.labels or {}), POD_TEMPLATE_HASH: hash_}
    return msgspec.structs.replace(template, metadata=msgspec.structs.replace(metadata, labels=labels))


def hashed_selector(selector: LabelSelector, hash_: str) -> LabelSelector:
    return msgspec.structs.replace(selector, matchLabels={**(selector.matchLabels or {}), POD_TEMPLATE_HASH: hash_})


def newest(deployment: Deployment, replica_sets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet of the Deployment's present template; the oldest one, should there be several."""
    template = deployment.spec.template if deployment.spec else None
    for each in sorted(replica_sets, key=lambda each: (created(each), name_of(each))):
        if each.spec and same_template(each.spec.template, template):
            return each
    return None


def revision_of(obj: ReplicaSet | Deployment) -> int:
    """The revision in the annotations; 0 without one, or with one that is no number."""
    text = annotations_of(obj).get(REVISION, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def next_revision(old: Iterable[ReplicaSet]) -> int:
    """One more than any old ReplicaSet has: also when the newest returns to a former template (`rollout undo`)."""
    return max((revision_of(each) for each in old), default=0) + 1


def replicas_annotations(replicas: int, max_replicas: int) -> dict[str, str]:
    return {DESIRED_REPLICAS: str(replicas), MAX_REPLICAS: str(max_replicas)}


def new_annotations(deployment: Deployment, current: Mapping[str, str], revision: int) -> dict[str, str]:
    """The newest ReplicaSet's annotations: the Deployment's, and the revision, with the former one in its history.

    An annotation that the Deployment has lost stays, as in Kubernetes: the ReplicaSet tells its revision's story.
    """
    result = dict(current)
    copied = {key: value for key, value in annotations_of(deployment).items() if key not in _NOT_COPIED}
    result.update(copied)
    former = current.get(REVISION, "")
    if (int(former) if former.isascii() and former.isdigit() else 0) < revision:
        result[REVISION] = str(revision)
        if former:
            result[REVISION_HISTORY] = _appended(current.get(REVISION_HISTORY, ""), former)
    return result


def _appended(history: str, revision: str) -> str:
    revisions = [*(each for each in history.split(",") if each), revision]
    while len(",".join(revisions)) > _HISTORY_LENGTH:
        del revisions[0]
    return ",".join(revisions)


def forgettable(old: Sequence[ReplicaSet], limit: int | None) -> list[ReplicaSet]:
    """The old ReplicaSets beyond the revisionHistoryLimit, lowest revision first; only those without any pod."""
    if limit is None:
        return []
    alive = [each for each in old if not terminating(each)]
    surplus = len(alive) - limit
    if surplus <= 0:
        return []
    alive.sort(key=lambda each: (revision_of(each), created(each), name_of(each)))
    return [each for each in alive[:surplus] if _idle(each)]


def _idle(replica_set: ReplicaSet) -> bool:
    spec, status = replica_set.spec, replica_set.status
    if spec is None or status is None:
        return False
    observed = (status.observedGeneration or 0) >= (meta(replica_set).generation or 0)
    return spec.replicas == 0 and status.replicas == 0 and observed
