"""Revisions: hashes, annotations, what is forgotten."""

from datetime import UTC, datetime, timedelta

from lightkube.models.apps_v1 import DeploymentSpec, ReplicaSetSpec, ReplicaSetStatus
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment, ReplicaSet

from master.controllers.rollout.revisions import (
    REVISION,
    REVISION_HISTORY,
    forgettable,
    hashed_template,
    new_annotations,
    newest,
    next_revision,
    same_template,
    template_hash,
)


def template(image: str = "app:1") -> PodTemplateSpec:
    return PodTemplateSpec(
        metadata=ObjectMeta(labels={"app": "web"}), spec=PodSpec(containers=[Container(name="c", image=image)])
    )


def replica_set(name: str, revision: int, *, replicas: int = 0, pods: int = 0, image: str = "app:1") -> ReplicaSet:
    return ReplicaSet(
        metadata=ObjectMeta(
            name=name,
            uid=name,
            generation=2,
            annotations={REVISION: str(revision)},
            creationTimestamp=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=revision),
        ),
        spec=ReplicaSetSpec(selector=LabelSelector(), replicas=replicas, template=hashed_template(template(image), name)),
        status=ReplicaSetStatus(replicas=pods, observedGeneration=2),
    )


def deployment(annotations: dict[str, str] | None = None, image: str = "app:1") -> Deployment:
    return Deployment(
        metadata=ObjectMeta(name="web", annotations=annotations),
        spec=DeploymentSpec(selector=LabelSelector(matchLabels={"app": "web"}), template=template(image)),
    )


def test_a_templates_hash_depends_on_it_and_on_the_collisions_alone() -> None:
    assert template_hash(template(), 0) == template_hash(template(), 0)
    assert len({template_hash(template(), 0), template_hash(template(), 1), template_hash(template("app:2"), 0)}) == 3
    assert set(template_hash(template(), 0)) <= set("bcdfghjklmnpqrstvwxz2456789")


def test_templates_are_compared_without_their_hash() -> None:
    assert same_template(hashed_template(template(), "one"), hashed_template(template(), "two"))
    assert not same_template(template("app:1"), template("app:2"))


def test_the_newest_replica_set_is_the_oldest_one_of_the_present_template() -> None:
    sets = [replica_set("b", 2), replica_set("a", 1), replica_set("c", 3, image="app:2")]
    found = newest(deployment(), sets)
    assert found is not None
    assert found.metadata is not None
    assert found.metadata.name == "a"
    assert newest(deployment(image="app:9"), sets) is None


def test_a_change_cause_is_copied_and_what_belongs_to_the_deployment_alone_is_not() -> None:
    owner = deployment(
        {"kubernetes.io/change-cause": "upgrade", "kubectl.kubernetes.io/last-applied-configuration": "{}", REVISION: "7"}
    )
    assert new_annotations(owner, {}, 1) == {"kubernetes.io/change-cause": "upgrade", REVISION: "1"}


def test_a_replica_set_that_comes_back_keeps_its_former_revisions() -> None:
    current = {REVISION: "3", REVISION_HISTORY: "1"}
    assert new_annotations(deployment(), current, 5) == {REVISION: "5", REVISION_HISTORY: "1,3"}
    assert new_annotations(deployment(), current, 3) == current


def test_the_next_revision_is_above_every_old_one() -> None:
    assert next_revision([]) == 1
    assert next_revision([replica_set("a", 4), replica_set("b", 2)]) == 5


def test_history_forgets_the_lowest_revisions_but_never_one_with_pods() -> None:
    sets = [replica_set("c", 3), replica_set("a", 1, pods=1), replica_set("b", 2), replica_set("d", 4, replicas=1)]
    names = [each.metadata.name for each in forgettable(sets, 1) if each.metadata]
    assert names == ["b", "c"]
    assert forgettable(sets, None) == []
    assert forgettable(sets, 4) == []
