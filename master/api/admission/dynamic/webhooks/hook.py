"""Hook: one webhook of a MutatingWebhookConfiguration or ValidatingWebhookConfiguration, compiled for use."""

from collections.abc import Sequence
from dataclasses import dataclass

from master.api.admission.dynamic.match_conditions import MatchConditions
from master.api.admission.dynamic.matching import Criteria
from master.client.protocol import Json

_NO_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_REVIEW_VERSIONS = ("v1", "v1beta1")


@dataclass(frozen=True, slots=True)
class Hook:
    """`review_version` "": it takes none that is known. `key` tells it apart from all others."""

    key: str
    name: str
    configuration: str
    criteria: Criteria
    conditions: MatchConditions | None
    client: Json
    review_version: str
    seconds: float
    fails_open: bool
    dry_runs: bool
    reinvoked: bool


def hooks_of(configuration: Json) -> Sequence[Hook]:
    """The webhooks of one configuration, in order."""
    name = configuration["metadata"]["name"]
    return [_hook(name, index, hook) for index, hook in enumerate(configuration.get("webhooks") or ())]


def _hook(configuration: str, index: int, hook: Json) -> Hook:
    fails_open = hook.get("failurePolicy") == "Ignore"
    conditions = hook.get("matchConditions")
    accepted = hook.get("admissionReviewVersions") or ()
    return Hook(
        key=f"{configuration}/{hook['name']}/{index}",
        name=hook["name"],
        configuration=configuration,
        criteria=Criteria.of(hook),
        conditions=MatchConditions(conditions, fails_open=fails_open) if conditions else None,
        client=hook.get("clientConfig") or {},
        review_version=next((version for version in accepted if version in _REVIEW_VERSIONS), ""),
        seconds=float(hook.get("timeoutSeconds") or 10),
        fails_open=fails_open,
        dry_runs=hook.get("sideEffects") in _NO_SIDE_EFFECTS,
        reinvoked=hook.get("reinvocationPolicy") == "IfNeeded",
    )
