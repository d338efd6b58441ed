"""What a Job's status may become (validateJobStatus, ValidateJobStatusUpdate).

Other controllers than the cluster's own may write it (`spec.managedBy`), so what clients rely on is held here: a finished job
stays finished, counts only grow. A rule about fields that did not change is left alone, for a change of the spec may break it.
"""

from typing import Any

from master.api.kinds.rules.field_errors import duplicate, invalid, invalid_whole, required
from master.api.kinds.rules.job_indexes import InvalidIndexes, count_indexes, overlap
from master.api.kinds.rules.numbers import not_negative
from master.client.errors import Cause

Json = dict[str, Any]

_CONDITIONS = "status.conditions"


class _Side:
    """A job's status before or after, and what its conditions say."""

    def __init__(self, job: Json) -> None:
        self.status: Json = job.get("status") or {}
        self.true = {c.get("type") for c in self.status.get("conditions") or () if c.get("status") == "True"}
        self.complete, self.failed = "Complete" in self.true, "Failed" in self.true
        self.finished = self.complete or self.failed

    def get(self, field: str) -> Any:
        return self.status.get(field)

    def count(self, field: str) -> int:
        return self.status.get(field) or 0


def validate_job_status(job: Json, old_job: Json) -> list[Cause]:
    """Errors of an update of the status; the spec is the stored one."""
    new, old, spec = _Side(job), _Side(old_job), job.get("spec") or {}
    causes = [
        cause
        for field in ("active", "succeeded", "failed", "ready", "terminating")
        for cause in not_negative(new.get(field), f"status.{field}")
    ]
    causes.extend(_validate_uncounted(new))
    causes.extend(_validate_conditions(new, old, spec))
    causes.extend(_validate_times(new, old, spec))
    causes.extend(_validate_counts(new, old, spec))
    return causes + _validate_indexes(new, old, spec)


def _changed(new: _Side, old: _Side, *fields: str) -> bool:
    return any((new.get(field) or None) != (old.get(field) or None) for field in fields)


def _validate_uncounted(new: _Side) -> list[Cause]:
    causes: list[Cause] = []
    seen: set[str] = set()
    uncounted = new.get("uncountedTerminatedPods") or {}
    for field in ("succeeded", "failed"):
        for index, uid in enumerate(uncounted.get(field) or ()):
            path = f"status.uncountedTerminatedPods.{field}[{index}]"
            if not uid:
                causes.append(invalid(path, uid, "must not be empty"))
            elif uid in seen:
                causes.append(duplicate(path, uid))
            seen.add(uid)
    return causes


def _validate_conditions(new: _Side, old: _Side, spec: Json) -> list[Cause]:
    target, met, was_met = "FailureTarget" in new.true, "SuccessCriteriaMet" in new.true, "SuccessCriteriaMet" in old.true
    complete_changed, failed_changed = new.complete != old.complete, new.failed != old.failed
    target_changed = target != ("FailureTarget" in old.true)
    wrong = (
        ((complete_changed or failed_changed) and new.complete and new.failed,
         "cannot set Complete=True and Failed=true conditions"),
        ((complete_changed or target_changed) and new.complete and target,
         "cannot set Complete=True and FailureTarget=true conditions"),
        ((failed_changed or _changed(new, old, "failedIndexes")) and new.failed and not target,
         "cannot set Failed=True condition without the FailureTarget=true condition"),
        ((complete_changed or met != was_met) and new.complete and not met,
         "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"),
        (met and new.failed, "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
        (met and target, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
        (spec.get("successPolicy") is not None and not met and new.complete,
         "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"),
        (was_met and not met, "cannot disable the SuccessCriteriaMet=True condition"),
        (old.complete and not was_met and met,
         "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"),
    )  # fmt: skip
    causes = [invalid_whole(_CONDITIONS, message) for holds, message in wrong if holds]
    return causes + [
        invalid_whole(_CONDITIONS, f"cannot disable the terminal {name}=True condition")
        for name in ("Failed", "Complete", "FailureTarget")
        if name in old.true and name not in new.true
    ]


def _validate_times(new: _Side, old: _Side, spec: Json) -> list[Cause]:
    causes: list[Cause] = []
    started, completed = new.get("startTime"), new.get("completionTime")
    start_changed, completion_changed = _changed(new, old, "startTime"), _changed(new, old, "completionTime")
    finished_changed, complete_changed = new.finished != old.finished, new.complete != old.complete
    path = "status.completionTime"
    if complete_changed or completion_changed:
        if completed is not None and not new.complete:
            message = "cannot set completionTime when there is no Complete=True condition"
            causes.append(invalid(path, completed, message))
        if completed is None and new.complete:
            causes.append(required(path, "completionTime is required for Complete jobs"))
    if (start_changed or completion_changed) and started is not None and completed is not None and completed < started:
        causes.append(invalid(path, completed, "completionTime cannot be set before startTime"))
    before = old.get("completionTime")
    if completed is not None and before is not None and completed != before:
        causes.append(invalid(path, completed, "completionTime cannot be mutated"))
    never_runs = spec.get("suspend") is True and spec.get("completions") == 0
    if (finished_changed or start_changed) and not never_runs and started is None and new.finished:
        causes.append(required("status.startTime", "startTime is required for finished job"))
    if start_changed and old.get("startTime") is not None and not spec.get("suspend"):
        causes.append(required("status.startTime", "startTime cannot be removed for unsuspended job"))
    return causes


def _validate_counts(new: _Side, old: _Side, spec: Json) -> list[Cause]:
    causes: list[Cause] = []
    finished_changed = new.finished != old.finished
    active, ready, terminating = (new.count(field) for field in ("active", "ready", "terminating"))
    if new.finished:
        if (finished_changed or _changed(new, old, "active")) and active > 0:
            causes.append(invalid("status.active", active, "active>0 is invalid for finished job"))
        uncounted = new.get("uncountedTerminatedPods") or {}
        if (finished_changed or _changed(new, old, "uncountedTerminatedPods")) and any(uncounted.values()):
            message = "uncountedTerminatedPods needs to be empty for finished job"
            causes.append(invalid("status.uncountedTerminatedPods", uncounted, message))
        if (finished_changed or _changed(new, old, "terminating")) and terminating > 0:
            causes.append(invalid("status.terminating", terminating, "terminating>0 is invalid for finished job"))
    if _changed(new, old, "ready", "active") and ready > active:
        causes.append(invalid("status.ready", ready, "cannot set more ready pods than active"))
    if new.count("failed") < old.count("failed"):
        causes.append(invalid("status.failed", new.count("failed"), "cannot decrease the failed counter"))
    # A job that is scaled down loses completions.
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    if not elastic and new.count("succeeded") < old.count("succeeded"):
        causes.append(invalid("status.succeeded", new.count("succeeded"), "cannot decrease the succeeded counter"))
    return causes


def _validate_indexes(new: _Side, old: _Side, spec: Json) -> list[Cause]:
    causes: list[Cause] = []
    completions, completed, failed = spec.get("completions"), new.get("completedIndexes") or "", new.get("failedIndexes")
    completed_changed, failed_changed = _changed(new, old, "completedIndexes"), _changed(new, old, "failedIndexes")
    if completed_changed:
        causes.extend(_validate_format(completed, completions, "completedIndexes"))
        if completed and spec.get("completionMode") != "Indexed":
            message = "cannot set non-empty completedIndexes when non-indexed completion mode"
            causes.append(invalid("status.completedIndexes", completed, message))
    if failed_changed and failed is not None:
        if spec.get("backoffLimitPerIndex") is None:
            message = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
            causes.append(invalid("status.failedIndexes", failed, message))
        else:
            causes.extend(_validate_format(failed, completions, "failedIndexes"))
    if (completed_changed or failed_changed) and completions is not None and failed:
        index = overlap(completed, failed, completions)
        if index is not None:
            message = f"failedIndexes and completedIndexes overlap at index: {index}"
            causes.append(invalid("status.failedIndexes", failed, message))
    return causes


def _validate_format(text: str, completions: int | None, field: str) -> list[Cause]:
    if completions is None:
        return []
    try:
        count_indexes(text, completions)
    except InvalidIndexes as error:
        return [invalid(f"status.{field}", text, f"error parsing {field}: {error}")]
    return []
