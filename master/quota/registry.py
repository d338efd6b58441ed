"""Which evaluator counts a kind, and which kinds a quota's names ask for."""

from collections.abc import Iterable

from master.quota.evaluator import Evaluator, ObjectCount
from master.quota.persistent_volume_claims import PersistentVolumeClaims
from master.quota.pods import Pods
from master.quota.services import Services

_OWN_RULES: dict[tuple[str, str], Evaluator] = {
    ("", "pods"): Pods(),
    ("", "services"): Services(),
    ("", "persistentvolumeclaims"): PersistentVolumeClaims(),
}
#: Made in numbers by the cluster itself; a quota on them would only hide what goes wrong.
IGNORED = frozenset({("", "events"), ("events.k8s.io", "events")})


def evaluator_of(group: str, plural: str) -> Evaluator:
    return _OWN_RULES.get((group, plural)) or ObjectCount(group, plural)


def counted(names: Iterable[str]) -> set[tuple[str, str]]:
    """Group and plural of each kind whose objects must be counted for these names."""
    names = set(names)
    kinds = {kind for kind, evaluator in _OWN_RULES.items() if evaluator.names(names)}
    for name in names:
        if name.startswith("count/"):
            plural, _, group = name.removeprefix("count/").partition(".")
            kinds.add((group, plural))
        elif ObjectCount("", name).names({name}):
            kinds.add(("", name))
    return kinds - IGNORED
