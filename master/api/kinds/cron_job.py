"""CronJob: makes Jobs by a schedule."""

from master.api.kinds.kind import Json, Kind
from master.api.kinds.pod_spec.defaults import default_pod_spec
from master.api.kinds.rules import names
from master.api.kinds.rules.field_errors import invalid, not_supported, required
from master.api.kinds.rules.job_spec import default_failure_policy, validate_job_spec
from master.api.kinds.rules.lifecycle import first_generation, next_generation, only_status
from master.api.kinds.rules.metadata import validate_metadata
from master.api.kinds.rules.name_warnings import warn_of_workload_name
from master.api.kinds.rules.numbers import not_negative
from master.api.kinds.rules.time_zones import time_zone
from master.api.printers import cron_job as printer
from master.client.errors import Cause
from proto.k8s.cron import InvalidSchedule, parse_schedule

CONCURRENCY_POLICIES = ("Allow", "Forbid", "Replace")
#: Its jobs' names have a suffix of 11 characters.
_NAME_LENGTH = 52
_ZONE_IN_SCHEDULE = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
_TWO_ZONES = "cannot use both timeZone field and TZ or CRON_TZ in schedule"


def _default(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    job_template = spec.setdefault("jobTemplate", {})
    job_template.setdefault("metadata", {})
    job = job_template.setdefault("spec", {})
    default_failure_policy(job)
    template = job.setdefault("template", {})
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))


def _prepare_for_update(obj: Json, old: Json) -> None:
    # What the client left to its default is no change.
    _default(obj)
    next_generation(obj, old)


def _validate(obj: Json, old: Json | None) -> list[Cause]:
    causes = validate_metadata(obj, old, name_rule=names.dns1123_subdomain)
    spec, before = obj.get("spec") or {}, (old or {}).get("spec") or {}
    causes.extend(_validate_schedule(spec, before))
    causes.extend(not_negative(spec.get("startingDeadlineSeconds"), "spec.startingDeadlineSeconds"))
    zone = spec.get("timeZone")
    if zone is not None and (old is None or zone != before.get("timeZone")):
        causes.extend(invalid("spec.timeZone", zone, why) for why in time_zone(zone))
    policy = spec.get("concurrencyPolicy") or ""
    if not policy:
        causes.append(required("spec.concurrencyPolicy"))
    elif policy not in CONCURRENCY_POLICIES:
        causes.append(not_supported("spec.concurrencyPolicy", policy, CONCURRENCY_POLICIES))
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    causes.extend(validate_job_spec(job, "spec.jobTemplate.spec"))
    if job.get("selector") is not None:
        causes.append(invalid("spec.jobTemplate.spec.selector", job["selector"], "`selector` will be auto-generated"))
    if job.get("manualSelector"):
        causes.append(not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false")))
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        causes.extend(not_negative(spec.get(field), f"spec.{field}"))
    name = obj["metadata"].get("name") or ""
    if old is None and len(name) > _NAME_LENGTH:
        causes.append(invalid("metadata.name", name, f"must be no more than {_NAME_LENGTH} characters"))
    return causes


def _validate_schedule(spec: Json, before: Json) -> list[Cause]:
    schedule = spec.get("schedule") or ""
    if not schedule:
        return [required("spec.schedule")]
    causes: list[Cause] = []
    try:
        parse_schedule(schedule)
    except InvalidSchedule as error:
        causes.append(invalid("spec.schedule", schedule, str(error)))
    if "TZ" in schedule:
        # One that had it before Kubernetes refused it keeps it.
        if "TZ" not in (before.get("schedule") or ""):
            causes.append(invalid("spec.schedule", schedule, _ZONE_IN_SCHEDULE))
        elif spec.get("timeZone") is not None:
            causes.append(invalid("spec.schedule", schedule, _TWO_ZONES))
    return causes


KIND = Kind(
    group="batch",
    version="v1",
    kind="CronJob",
    plural="cronjobs",
    singular="cronjob",
    short_names=("cj",),
    categories=("all",),
    definition="io.k8s.api.batch.v1.CronJob",
    subresources=frozenset({"status"}),
    default=_default,
    validate=_validate,
    warnings=warn_of_workload_name,
    prepare_for_create=first_generation,
    prepare_for_update=_prepare_for_update,
    prepare_for_status_update=only_status,
    columns=printer.COLUMNS,
    row=printer.row,
)
