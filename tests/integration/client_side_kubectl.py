"""Drawn objects and arguments for what kubectl makes by itself: `create --dry-run=client` and `set --local`.

All is drawn from the random source that the caller seeds: the same seed draws the same objects and arguments.
"""

from random import Random
from typing import Any

Json = dict[str, Any]

_IMAGES = ("a", "a:1", "library/web:2.3", "registry.example:5000/team/app:v1", f"x@sha256:{'0' * 64}")
_VALUES = ("", "1", "true", "with space", "a=b", "ü", '"quoted"', "two\nlines", "$(A)")
_WORDS = ("app", "tier", "example.com/part", "a-b", "x_y")
_LABELS = ("web", "1", "v1.2", "a_b", "X")
_CPU = ("100m", "0.5", "1", "1500m", "2")
_MEMORY = ("64Mi", "1Gi", "100000k", "1.5Gi", "123456789")


def _some(random: Random, values: tuple[str, ...], *, least: int = 1, most: int = 3) -> list[str]:
    return random.sample(values, random.randint(least, min(most, len(values))))


def _labels(random: Random) -> dict[str, str]:
    return {key: random.choice(_LABELS) for key in _some(random, _WORDS)}


# What `create` makes.


def _literals(random: Random) -> list[str]:
    return [f"--from-literal={key}={random.choice(_VALUES)}" for key in _some(random, ("a", "b.c", "D_E", "f-1"))]


def _command(random: Random) -> list[str]:
    return random.choice([[], ["--", "sh", "-c", "sleep 1"], ["--", "date"]])


def _ports(random: Random) -> list[str]:
    ports = random.sample(range(1, 65536), random.randint(1, 3))
    return [f"--tcp={port}" if random.random() < 0.5 else f"--tcp={port}:{random.randint(1, 65535)}" for port in ports]


def _deployment(random: Random) -> list[str]:
    if random.random() < 0.3:
        # Names of containers are made from images; a port or a command is for one container alone.
        return ["--image=one:1", "--image=two/three:2", f"--replicas={random.randint(0, 9)}"]
    port = random.choice([[], [f"--port={random.randint(1, 65535)}"]])
    return [f"--image={random.choice(_IMAGES)}", f"--replicas={random.randint(0, 9)}", *port, *_command(random)]


def _cron_job(random: Random) -> list[str]:
    schedule = random.choice(["*/5 * * * *", "@hourly", "0 3 * * 1-5", "15,45 0-6/2 1 jan sun"])
    restart = random.choice(["OnFailure", "Never"])
    return [f"--image={random.choice(_IMAGES)}", f"--schedule={schedule}", f"--restart={restart}", *_command(random)]


def _ingress(random: Random) -> list[str]:
    rules = _some(random, ("a.example/x=web:80", "*.b.example/*=web:http", "/=other:1", "c.example/y*=s:443,tls=cert"))
    return [*(f"--rule={rule}" for rule in rules), "--annotation=note=a", f"--class={random.choice(['c', 'other'])}"]


def _quota(random: Random) -> list[str]:
    hard = {"pods": "3", "cpu": random.choice(_CPU), "requests.memory": random.choice(_MEMORY), "count/jobs.batch": "2"}
    chosen = ",".join(f"{key}={hard[key]}" for key in _some(random, tuple(hard)))
    return [f"--hard={chosen}"] if random.random() < 0.6 else ["--hard=pods=2", "--scopes=BestEffort,NotTerminating"]


def _rules(random: Random) -> list[str]:
    verbs = ",".join(_some(random, ("get", "list", "watch", "create", "delete")))
    resources = _some(random, ("pods", "deployments.apps", "pods/log", "nodes", "services"))
    names = ["--resource-name=one", "--resource-name=two"] if len(resources) == 1 else []
    return [f"--verb={verbs}", f"--resource={','.join(resources)}", *names]


def _cluster_role(random: Random) -> list[str]:
    other = [["--verb=get", "--non-resource-url=/healthz/*"], [f"--aggregation-rule=tier={random.choice(_LABELS)}"]]
    return random.choice([_rules(random), *other])


def _subjects(random: Random) -> list[str]:
    return _some(random, ("--user=ann", "--user=bob:x", "--group=dev", "--serviceaccount=default:bot"), most=4)


def _budget(random: Random) -> list[str]:
    amount = f"{random.choice(['min-available', 'max-unavailable'])}={random.choice(['1', '0', '50%', '100%'])}"
    return [f"--{amount}", "--selector=" + ",".join(f"{key}={value}" for key, value in _labels(random).items())]


def _priority_class(random: Random) -> list[str]:
    policy = random.choice(["Never", "PreemptLowerPriority"])
    return [f"--value={random.randint(-1000, 10**9)}", "--description=d e", f"--preemption-policy={policy}"]


def _docker_secret(random: Random) -> list[str]:
    return ["--docker-server=r.example", "--docker-username=u", f"--docker-password={random.choice(_VALUES[1:])}"]


#: What to say to `create` beside the name, by generator.
_GENERATORS = {
    ("deployment",): _deployment,
    ("job",): lambda random: [f"--image={random.choice(_IMAGES)}", *_command(random)],
    ("cronjob",): _cron_job,
    ("service", "clusterip"): lambda random: random.choice([["--clusterip=None"], _ports(random)]),
    ("service", "nodeport"): _ports,
    ("service", "loadbalancer"): _ports,
    ("service", "externalname"): lambda random: ["--external-name=db.example", *_ports(random)],
    ("ingress",): _ingress,
    ("configmap",): _literals,
    ("secret", "generic"): lambda random: [*_literals(random), *random.choice([[], ["--type=example.com/kind"]])],
    ("secret", "docker-registry"): _docker_secret,
    ("serviceaccount",): lambda _: [],
    ("namespace",): lambda _: [],
    ("role",): _rules,
    ("clusterrole",): _cluster_role,
    ("rolebinding",): lambda random: [random.choice(["--role=r", "--clusterrole=view"]), *_subjects(random)],
    ("clusterrolebinding",): lambda random: ["--clusterrole=view", *_subjects(random)],
    ("quota",): _quota,
    ("poddisruptionbudget",): _budget,
    ("priorityclass",): _priority_class,
}


def drawn_creations(random: Random, *, each: int) -> list[list[str]]:
    """Arguments of `kubectl create`, so many for each of its generators, each with a name of its own."""
    creations: list[list[str]] = []
    for generator, options in _GENERATORS.items():
        for _ in range(each):
            name = f"{random.choice(['web', 'a', 'long-name-0'])}-{len(creations)}"
            creations.append([*generator, name, *options(random)])
    return creations


# What `set` changes.


def _container(random: Random, name: str) -> Json:
    env: list[Json] = [{"name": key, "value": random.choice(_VALUES)} for key in _some(random, ("A", "B", "C", "D"), least=0)]
    env += random.choice([[], [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]])
    requests = random.choice([{}, {"cpu": "1m"}, {"cpu": "1m", "memory": "1Mi"}])
    return {"name": name, "image": random.choice(_IMAGES), "env": env, "resources": {"requests": requests}}


def _pod_spec(random: Random) -> Json:
    spec: Json = {
        "containers": [_container(random, name) for name in random.choice([["main"], ["main", "side"], ["x", "main"]])]
    }
    if random.random() < 0.5:
        spec["initContainers"] = [_container(random, "first")]
    if random.random() < 0.3:
        spec["serviceAccountName"] = "before"
    return spec


def drawn_workloads(random: Random, *, each: int) -> list[Json]:
    """Objects with a pod template; each has a container `main`."""
    workloads: list[Json] = []
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet") * each:
        labels = _labels(random)
        template = {"metadata": {"labels": labels}, "spec": _pod_spec(random)}
        spec: Json = {"selector": {"matchLabels": labels}, "template": template}
        if kind == "StatefulSet":
            spec["serviceName"] = "s"
        workloads.append(_object("apps/v1", kind, f"w{len(workloads)}", spec=spec))
    for number in range(each):
        template = {"spec": {**_pod_spec(random), "restartPolicy": "Never"}}
        spec = {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}
        workloads.append(_object("batch/v1", "CronJob", f"c{number}", spec=spec))
    return workloads


def drawn_pods(random: Random, *, count: int) -> list[Json]:
    """Pods, of which only images may be set."""
    return [
        _object("v1", "Pod", f"p{number}", spec={**_pod_spec(random), "serviceAccountName": "default"})
        for number in range(count)
    ]


def drawn_services(random: Random, *, count: int) -> list[Json]:
    return [
        _object("v1", "Service", f"s{number}", spec={"ports": [{"port": 80}], "selector": _labels(random)})
        for number in range(count)
    ]


def drawn_bindings(random: Random, *, count: int) -> list[Json]:
    """RoleBindings and ClusterRoleBindings with some subjects already."""
    group = "rbac.authorization.k8s.io"
    bindings: list[Json] = []
    for number in range(count):
        kind = random.choice(["RoleBinding", "ClusterRoleBinding"])
        subjects = [{"kind": "User", "apiGroup": group, "name": name} for name in _some(random, ("ann", "bob"), least=0)]
        role = {"kind": "ClusterRole", "apiGroup": group, "name": "view"}
        bindings.append(_object(f"{group}/v1", kind, f"b{number}", roleRef=role, subjects=subjects))
    return bindings


def _object(api_version: str, kind: str, name: str, **fields: Any) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def drawn_image(random: Random) -> list[str]:
    return ["image", f"{random.choice(['main', 'main', '*'])}={random.choice(_IMAGES)}"]


def drawn_workload_setting(random: Random) -> list[str]:
    """What may be set of everything with a pod template."""
    containers = random.choice([[], ["-c", "main"], ["-c", "*"]])
    env = [f"{key}={random.choice(_VALUES)}" for key in _some(random, ("A", "C", "E", "NODE"), least=0)]
    env += [f"{key}-" for key in _some(random, ("B", "D", "GONE"), least=0 if env else 1)]
    # Of a request that is more than a limit only the server complains.
    requests = f"--requests=cpu={_CPU[0]},memory={_MEMORY[0]}"
    limits = f"--limits=cpu={random.choice(_CPU)},memory={random.choice(_MEMORY)}"
    resources = random.choice([[limits], [requests, limits], ["--limits=cpu=0,memory=0", "--requests=cpu=0,memory=0"]])
    return random.choice(
        [
            drawn_image(random),
            ["env", *containers, *env],
            ["env", *containers, *env],
            ["resources", *containers, *resources],
            ["serviceaccount", random.choice(["someone", "other"])],
        ]
    )


def drawn_selector(random: Random) -> list[str]:
    return ["selector", ",".join(f"{key}={value}" for key, value in _labels(random).items())]


def drawn_subject(random: Random) -> list[str]:
    return ["subject", *_subjects(random)]
