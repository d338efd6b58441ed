"""What Job and CronJob's job template share: defaults and validation of a JobSpec (pkg/apis/batch/validation)."""

from typing import Any

from master.api.kinds.rules.field_errors import invalid, not_supported, required, too_long
from master.api.kinds.rules.job_policies import validate_failure_policy, validate_success_policy
from master.api.kinds.rules.names import domain_prefixed_path
from master.api.kinds.rules.numbers import not_negative
from master.api.kinds.rules.pod_template import validate_template
from master.client.errors import Cause

Json = dict[str, Any]

COMPLETION_MODES = ("Indexed", "NonIndexed")
_RESTART_POLICIES = ("OnFailure", "Never")
_COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex",
    "maxFailedIndexes",
)  # fmt: skip
_MAX_INT32 = 2**31 - 1
_BACKOFF_LIMIT = 6
_MANAGED_BY_LENGTH = 63
_MAX_PARALLELISM = _MAX_FAILED_INDEXES = 100_000
#: Above so many completions a back-off limit per index has its price: these bounds keep the status small.
_MANY_COMPLETIONS, _MANY_PARALLELISM, _MANY_FAILED_INDEXES = 100_000, 10_000, 10_000


def default_job_spec(spec: Json) -> None:
    """Defaults of a Job; a CronJob's template gets them when a Job is made of it."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", _BACKOFF_LIMIT if spec.get("backoffLimitPerIndex") is None else _MAX_INT32)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    failure = spec.get("podFailurePolicy")
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed" if failure is None else "Failed")
    spec.setdefault("manualSelector", False)


def default_failure_policy(spec: Json) -> None:
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"


def validate_job_spec(spec: Json, path: str) -> list[Cause]:
    """Every error of a JobSpec but those of its selector."""
    causes = [cause for field in _COUNTS for cause in not_negative(spec.get(field), f"{path}.{field}")]
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        causes.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    manager = spec.get("managedBy")
    if manager == "":
        causes.append(required(f"{path}.managedBy"))
    elif manager is not None:
        causes.extend(invalid(f"{path}.managedBy", manager, why) for why in domain_prefixed_path(manager))
        if len(manager) > _MANAGED_BY_LENGTH:
            causes.append(too_long(f"{path}.managedBy", _MANAGED_BY_LENGTH))
    causes.extend(_validate_completion_mode(spec, path))
    failure, success = spec.get("podFailurePolicy"), spec.get("successPolicy")
    if failure is not None:
        causes.extend(validate_failure_policy(failure, spec, f"{path}.podFailurePolicy"))
    if success is not None:
        if spec.get("completionMode") != "Indexed":
            causes.append(invalid(f"{path}.successPolicy", success, "requires indexed completion mode"))
        else:
            completions = spec.get("completions") or 0
            causes.extend(validate_success_policy(success, completions, f"{path}.successPolicy"))
    replacement = spec.get("podReplacementPolicy")
    allowed = ("Failed",) if failure is not None else ("Failed", "TerminatingOrFailed")
    if replacement is not None and replacement not in allowed:
        causes.append(not_supported(f"{path}.podReplacementPolicy", replacement, allowed))
    causes.extend(validate_template(spec.get("template") or {}, f"{path}.template"))
    return causes + _validate_restart_policy(spec, f"{path}.template.spec.restartPolicy")


def _validate_restart_policy(spec: Json, path: str) -> list[Cause]:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy") or ""
    if policy in ("", "Always"):
        return [required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in _RESTART_POLICIES:
        return [not_supported(path, policy, _RESTART_POLICIES)]
    if spec.get("podFailurePolicy") is not None and policy != "Never":
        return [invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []


def _validate_completion_mode(spec: Json, path: str) -> list[Cause]:
    mode = spec.get("completionMode")
    if mode is not None and mode not in COMPLETION_MODES:
        return [not_supported(f"{path}.completionMode", mode, COMPLETION_MODES)]
    if mode == "Indexed":
        return _validate_indexed(spec, path)
    return [
        invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
        for field in ("backoffLimitPerIndex", "maxFailedIndexes")
        if spec.get(field) is not None
    ]


def _validate_indexed(spec: Json, path: str) -> list[Cause]:
    causes: list[Cause] = []
    completions, parallelism, failed = (spec.get(name) for name in ("completions", "parallelism", "maxFailedIndexes"))
    if completions is None:
        causes.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if parallelism is not None and parallelism > _MAX_PARALLELISM:
        message = f"must be less than or equal to {_MAX_PARALLELISM} when completion mode is Indexed"
        causes.append(invalid(f"{path}.parallelism", parallelism, message))
    if failed is not None:
        if completions is not None and failed > completions:
            causes.append(invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions"))
        if failed > _MAX_FAILED_INDEXES:
            message = f"must be less than or equal to {_MAX_FAILED_INDEXES}"
            causes.append(invalid(f"{path}.maxFailedIndexes", failed, message))
    if completions is not None and completions > _MANY_COMPLETIONS and spec.get("backoffLimitPerIndex") is not None:
        causes.extend(_validate_many(parallelism, failed, path))
    return causes


def _validate_many(parallelism: int | None, failed: int | None, path: str) -> list[Cause]:
    causes: list[Cause] = []
    when = f"when completions are above {_MANY_COMPLETIONS} and used with backoff limit per index"
    if failed is None:
        message = f"must be specified when completions is above {_MANY_COMPLETIONS}"
        causes.append(required(f"{path}.maxFailedIndexes", message))
    elif failed > _MANY_FAILED_INDEXES:
        message = f"must be less than or equal to {_MANY_FAILED_INDEXES} {when}"
        causes.append(invalid(f"{path}.maxFailedIndexes", failed, message))
    if parallelism is not None and parallelism > _MANY_PARALLELISM:
        message = f"must be less than or equal to {_MANY_PARALLELISM} {when}"
        causes.append(invalid(f"{path}.parallelism", parallelism, message))
    return causes
