"""Jobs and CronJobs."""

from copy import deepcopy
from typing import Any

import pytest

from master.api.kinds.cron_job import KIND as CRON_JOB
from master.api.kinds.job import KIND as JOB
from tests.unit.master.api.kinds.made import created, errors, updated

Json = dict[str, Any]

POD: Json = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b:1"}]}
INDEXED: Json = {"completionMode": "Indexed", "completions": 5}
UID = "0c0ffee0-0000-4000-8000-000000000000"


def job(**spec: Any) -> Json:
    body = {"metadata": {"name": "j", "uid": UID}, "spec": {"template": {"spec": POD}, **spec}}
    return created(JOB, body)


def changed(old: Json, **spec: Any) -> Json:
    return updated(JOB, old, spec={**deepcopy(old["spec"]), **spec})


def status_errors(old: Json, **status: Any) -> list[str]:
    obj = {**deepcopy(old), "status": status}
    return [f"{cause.field}: {cause.message}" for cause in JOB.validate_status(obj, old)]


def true(*types: str) -> list[Json]:
    return [{"type": name, "status": "True"} for name in types]


def test_a_job_s_defaults() -> None:
    obj = job()
    spec = obj["spec"]
    assert errors(JOB, obj) == []
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 6)
    assert (spec["completionMode"], spec["suspend"], spec["manualSelector"]) == ("NonIndexed", False, False)
    assert spec["podReplacementPolicy"] == "TerminatingOrFailed"
    assert job(**INDEXED, backoffLimitPerIndex=1)["spec"]["backoffLimit"] == 2**31 - 1
    assert "completions" not in job(parallelism=2)["spec"]


def test_a_job_s_selector_is_made_of_its_uid() -> None:
    obj = job()
    labels = {
        "controller-uid": UID,
        "batch.kubernetes.io/controller-uid": UID,
        "job-name": "j",
        "batch.kubernetes.io/job-name": "j",
    }
    assert obj["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": UID}}
    assert obj["spec"]["template"]["metadata"]["labels"] == obj["metadata"]["labels"] == labels


def test_a_job_that_chose_its_selector_keeps_it() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
    obj = job(manualSelector=True, selector={"matchLabels": {"a": "b"}}, template=template)
    assert errors(JOB, obj) == []
    assert obj["spec"]["template"]["metadata"]["labels"] == {"a": "b"}
    assert errors(JOB, job(manualSelector=True, template=template)) == ["spec.selector: Required value"]


def test_labels_that_contradict_the_generated_ones_are_refused() -> None:
    template = {"metadata": {"labels": {"job-name": "other"}}, "spec": POD}
    (error,) = errors(JOB, job(template=template))
    assert error.startswith("spec.template.metadata.labels[job-name]: Invalid value: ")
    assert error.endswith(": must be 'j'")
    (error,) = errors(JOB, job(selector={"matchLabels": {"x": "y"}}))[:1]
    assert error.endswith("`selector` not auto-generated")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"parallelism": -1}, "spec.parallelism: Invalid value: -1: must be greater than or equal to 0"),
        ({"completionMode": "Indexed", "parallelism": 2}, "spec.completions: Required value: when completion mode is Indexed"),
        ({"backoffLimitPerIndex": 1}, "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
        (
            {**INDEXED, "maxFailedIndexes": 1},
            "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
        ),
        (
            {**INDEXED, "maxFailedIndexes": 6, "backoffLimitPerIndex": 1},
            "spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions",
        ),
        (
            {"completionMode": "Indexed", "completions": 100_001, "backoffLimitPerIndex": 1},
            "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000",
        ),
        ({"managedBy": "me"}, 'spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")'),
        (
            {"template": {"spec": {**POD, "restartPolicy": "Always"}}},
            'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
        ),
        (
            {"podFailurePolicy": {"rules": []}, "template": {"spec": {**POD, "restartPolicy": "OnFailure"}}},
            'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is '
            "specified",
        ),
        (
            {"podFailurePolicy": {"rules": [{"action": "FailJob"}]}},
            "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
        ),
        (
            {"podFailurePolicy": {"rules": [{"action": "FailIndex", "onPodConditions": [{"type": "A"}]}]}},
            'spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
        ),
        (
            {"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [3, 2]}}]}},
            "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,2]: must be ordered",
        ),
        (
            {"successPolicy": {"rules": []}},
            'spec.successPolicy: Invalid value: {"rules":[]}: requires indexed completion mode',
        ),
        (
            {**INDEXED, "successPolicy": {"rules": [{"succeededIndexes": "0-7"}]}},
            'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0-7": error parsing succeededIndexes: too large '
            'index: "7"',
        ),
        (
            {**INDEXED, "successPolicy": {"rules": [{"succeededIndexes": "0,2", "succeededCount": 3}]}},
            "spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of "
            "indexes in the specified succeededIndexes field)",
        ),
    ],
)
def test_errors_of_a_job(spec: Json, expected: str) -> None:
    assert errors(JOB, job(**spec)) == [expected]


def test_conditions_of_a_failure_policy_are_true_by_default() -> None:
    obj = job(podFailurePolicy={"rules": [{"action": "Count", "onPodConditions": [{"type": "A"}]}]})
    assert obj["spec"]["podFailurePolicy"]["rules"][0]["onPodConditions"] == [{"type": "A", "status": "True"}]
    assert obj["spec"]["podReplacementPolicy"] == "Failed"
    assert errors(JOB, obj) == []


def test_what_a_job_is_finished_by_is_immutable() -> None:
    old = job()
    assert errors(JOB, changed(old, completions=2), old) == ["spec.completions: Invalid value: 2: field is immutable"]
    assert errors(JOB, changed(old, parallelism=3, suspend=True, backoffLimit=1), old) == []
    template = deepcopy(old["spec"]["template"])
    template["spec"]["containers"][0]["image"] = "b:2"
    (error,) = errors(JOB, changed(old, template=template), old)
    assert error.startswith("spec.template: Invalid value: ")
    assert error.endswith(": field is immutable")
    elastic = job(**INDEXED, parallelism=5)
    assert errors(JOB, changed(elastic, completions=3, parallelism=3), elastic) == []
    assert errors(JOB, changed(elastic, completions=3), elastic) == [
        "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"
    ]


def test_a_queue_places_a_suspended_job_before_it_starts() -> None:
    old = job(suspend=True)
    template = deepcopy(old["spec"]["template"])
    template["spec"]["nodeSelector"] = {"zone": "a"}
    assert errors(JOB, changed(old, template=template, suspend=False), old) == []
    old["status"] = {"startTime": "2026-01-01T00:00:00Z"}
    assert len(errors(JOB, changed(old, template=template), old)) == 1


def test_an_indexed_job_s_pods_need_host_names() -> None:
    obj = job(**INDEXED)
    obj["metadata"]["name"] = name = "a" * 62
    assert f'metadata.name: Invalid value: "{name}": will not able to create pod with invalid DNS label: {name}-4' in errors(
        JOB, obj
    )


def test_a_finished_job_stays_finished_and_its_counts_grow() -> None:
    old = job()
    times = {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:00Z"}
    done = {"conditions": true("SuccessCriteriaMet", "Complete"), "succeeded": 1, **times}
    assert status_errors(old, **done) == []
    assert status_errors(old, **{**done, "conditions": true("Complete")}) == [
        "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
    ]
    assert status_errors(old, **{**done, "active": 1}) == [
        "status.active: Invalid value: 1: active>0 is invalid for finished job"
    ]
    old["status"] = done
    assert status_errors(old, **{**done, "conditions": [], "completionTime": None, "succeeded": 0}) == [
        "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition",
        "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
        "status.succeeded: Invalid value: 0: cannot decrease the succeeded counter",
    ]


def test_indexes_of_a_status_fit_the_job() -> None:
    old = job(**INDEXED, backoffLimitPerIndex=1)
    assert status_errors(old, completedIndexes="0-2", failedIndexes="4") == []
    assert status_errors(old, completedIndexes="0-2", failedIndexes="2,4") == [
        'status.failedIndexes: Invalid value: "2,4": failedIndexes and completedIndexes overlap at index: 2'
    ]
    assert status_errors(old, completedIndexes="3,1") == [
        'status.completedIndexes: Invalid value: "3,1": error parsing completedIndexes: non-increasing order, previous: 3, '
        "current: 1"
    ]


def cron_job(**spec: Any) -> Json:
    return created(CRON_JOB, {"spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": POD}}}, **spec}})


def test_a_cron_job_s_defaults() -> None:
    obj = cron_job()
    spec = obj["spec"]
    assert errors(CRON_JOB, obj) == []
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", False)
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 1)
    # The Job's own defaults come with each Job.
    assert spec["jobTemplate"]["spec"].keys() == {"template"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"schedule": ""}, ["spec.schedule: Required value"]),
        ({"schedule": "* * *"}, ['spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]']),
        (
            {"schedule": "TZ=Europe/Berlin 0 3 * * *"},
            [
                'spec.schedule: Invalid value: "TZ=Europe/Berlin 0 3 * * *": cannot use TZ or CRON_TZ in schedule, use '
                "timeZone field instead"
            ],
        ),
        ({"timeZone": "Europe/Berlin"}, []),
        ({"timeZone": "Etc/UTC"}, []),
        ({"timeZone": "Mars/Base"}, ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base']),
        ({"timeZone": "../etc/passwd"}, ['spec.timeZone: Invalid value: "../etc/passwd": unknown time zone ../etc/passwd']),
        ({"timeZone": ""}, ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']),
        (
            {"timeZone": "Local"},
            [
                'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in '
                "https://www.iana.org/time-zones"
            ],
        ),
        (
            {"concurrencyPolicy": "Maybe"},
            ['spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"'],
        ),
        (
            {"jobTemplate": {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": POD}}}},
            ['spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated'],
        ),
    ],
)
def test_errors_of_a_cron_job(spec: Json, expected: list[str]) -> None:
    assert errors(CRON_JOB, cron_job(**spec)) == expected


def test_a_cron_job_s_name_leaves_room_for_its_jobs() -> None:
    obj = cron_job()
    obj["metadata"]["name"] = name = "a" * 53
    assert errors(CRON_JOB, obj) == [f'metadata.name: Invalid value: "{name}": must be no more than 52 characters']
    assert errors(CRON_JOB, updated(CRON_JOB, obj), obj) == []
