"""Patches of every type, compared with `kubectl patch --local` on generated pods and deployments."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from master.api.patch.json_patch import apply_json_patch
from master.api.patch.merge_patch import apply_merge_patch
from master.api.patch.strategic_merge import apply_strategic_merge
from master.api.schema.schemas import Schemas
from master.client.errors import StatusError

Json = dict[str, Any]

POD = "io.k8s.api.core.v1.Pod"
DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
SCHEMAS = Schemas([POD, DEPLOYMENT])
#: Older ones leave directives in what they add.
KUBECTL = Path(os.path.realpath(shutil.which("kubectl") or "/usr/bin/kubectl")).with_name("kubectl.1.33")

_NAMES = st.lists(st.sampled_from("abcde"), unique=True, max_size=4)
_VALUE = st.sampled_from(["x", "y", "z"])


def _elements(keys: list[str], element: st.SearchStrategy[Json], key: str) -> st.SearchStrategy[list[Json]]:
    return st.tuples(*(element for _ in keys)).map(
        lambda drawn: [{key: name, **fields} for name, fields in zip(keys, drawn, strict=True)]
    )


def _keyed_list(element: st.SearchStrategy[Json], key: str = "name") -> st.SearchStrategy[list[Json]]:
    return _NAMES.flatmap(lambda keys: _elements(keys, element, key))


def _with_directives(element: st.SearchStrategy[Json]) -> st.SearchStrategy[list[Json]]:
    special = st.one_of(element, element, element, st.just({"$patch": "delete"}))
    return st.tuples(_keyed_list(special), st.sampled_from([False, False, False, True])).map(
        lambda drawn: [*drawn[0], {"$patch": "replace"}] if drawn[1] else drawn[0]
    )


_ENV = _keyed_list(st.fixed_dictionaries({"value": _VALUE}))
_PORTS = st.lists(st.sampled_from([80, 81, 82]), unique=True).map(lambda ports: [{"containerPort": port} for port in ports])
_CONTAINER = st.fixed_dictionaries(
    {"image": _VALUE}, optional={"env": _ENV, "args": st.lists(_VALUE, max_size=3), "ports": _PORTS}
)
_VOLUME: st.SearchStrategy[Json] = st.one_of(
    st.just({"emptyDir": {}}), st.just({"emptyDir": {"medium": "Memory"}}), st.just({"hostPath": {"path": "/tmp"}})
)
_POD_SPEC = st.fixed_dictionaries(
    {"containers": _keyed_list(_CONTAINER)},
    optional={
        "volumes": _keyed_list(_VOLUME),
        "nodeSelector": st.dictionaries(st.sampled_from("pq"), _VALUE),
        "tolerations": st.lists(st.fixed_dictionaries({"key": _VALUE}), max_size=2),
    },
)
_FINALIZERS = st.lists(st.sampled_from(["a/a", "b/b", "c/c", "d/d"]), unique=True, max_size=4)
_METADATA: st.SearchStrategy[Json] = st.fixed_dictionaries({}, optional={"finalizers": _FINALIZERS})

_CONTAINER_PATCH = st.fixed_dictionaries(
    {},
    optional={
        "image": _VALUE,
        "env": _with_directives(st.fixed_dictionaries({"value": _VALUE})),
        "args": st.one_of(st.none(), st.lists(_VALUE, max_size=3)),
        "ports": _PORTS,
    },
)
_VOLUME_PATCH = st.one_of(
    st.just({"$retainKeys": ["name", "emptyDir"], "emptyDir": {}}),
    st.just({"$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/var"}}),
    st.just({"$patch": "delete"}),
)


@st.composite
def _spec_patch(draw: st.DrawFn) -> Json:
    patch: Json = {}
    if draw(st.booleans()):
        patch["containers"] = draw(_with_directives(_CONTAINER_PATCH))
        kept = [c["name"] for c in patch["containers"] if "name" in c and c.get("$patch") != "delete"]
        replaces = any(c == {"$patch": "replace"} for c in patch["containers"])
        if kept and not replaces and draw(st.booleans()):
            others = draw(st.permutations([name for name in "abcde" if name not in kept]))
            patch["$setElementOrder/containers"] = [{"name": name} for name in [*kept, *others[:2]]]
    elif draw(st.booleans()):
        patch["$setElementOrder/containers"] = [{"name": name} for name in draw(st.permutations("abcde"))]
    if draw(st.booleans()):
        patch["volumes"] = draw(_keyed_list(_VOLUME_PATCH))
    if draw(st.booleans()):
        patch["nodeSelector"] = draw(
            st.one_of(st.none(), st.dictionaries(st.sampled_from("pqr"), st.one_of(st.none(), _VALUE)))
        )
    if draw(st.booleans()):
        patch["tolerations"] = draw(st.lists(st.fixed_dictionaries({"key": _VALUE}), max_size=2))
    return patch


@st.composite
def _metadata_patch(draw: st.DrawFn) -> Json:
    if draw(st.booleans()):
        return {"finalizers": draw(_FINALIZERS)}
    return {"$deleteFromPrimitiveList/finalizers": draw(_FINALIZERS)}


def _kubectl_patch(folder: Path, documents: list[Json], patch: Any, patch_type: str) -> list[Json] | None:
    """What kubectl makes of each of the objects with the same patch; None when it refuses one for a reason."""
    manifest = folder / "objects.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    command = [
        str(KUBECTL),
        "patch",
        "--local",
        "-f",
        str(manifest),
        f"--type={patch_type}",
        "-p",
        json.dumps(patch),
        "-o",
        "json",
    ]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False, env={"HOME": str(folder), "PATH": ""})
    # That two empty lists have no order is the one thing which the API does not refuse.
    assume(b"no elements in any of the given slices" not in done.stderr)
    if done.returncode:
        return None
    found: list[Json] = []
    text, decoder = done.stdout.decode().strip(), json.JSONDecoder()
    while text:
        value, end = decoder.raw_decode(text)
        found.extend(value["items"] if value["kind"] == "List" else [value])
        text = text[end:].strip()
    return found


def _stored(value: Any) -> Any:
    """What Go's types keep of it: no emptied map or list, and no directive where it means nothing."""
    if isinstance(value, dict):
        cleaned = {key: _stored(item) for key, item in value.items() if not key.startswith("$")}
        return {key: item for key, item in cleaned.items() if item not in ([], {}, None)}
    return [_stored(item) for item in value] if isinstance(value, list) else value


def _assert_same(folder: Path, documents: list[Json], patch: Any, apply: Callable[[Json], Any], patch_type: str) -> None:
    for number, document in enumerate(documents):
        document["metadata"]["name"] = f"x{number}"
    theirs = _kubectl_patch(folder, documents, patch, patch_type)
    if theirs is None:
        assert any(_is_refused(apply, document) for document in documents), (documents, patch)
        return
    for document, expected in zip(documents, theirs, strict=True):
        assert _stored(apply(document)) == _stored(expected), (document, patch)


def _is_refused(apply: Callable[[Json], Any], document: Json) -> bool:
    try:
        apply(document)
    except StatusError:
        return True
    return False


def _strategic(definition: str, patch: Json) -> Callable[[Json], Json]:
    return lambda document: apply_strategic_merge(document, patch, definition=definition, schemas=SCHEMAS)


#: Without shrinking: a kubectl per step would take minutes; a failure shows the objects and the patch.
_SETTINGS = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.explicit, Phase.generate],
)


def _pod(metadata: Json, spec: Json) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


_PODS = st.lists(st.builds(_pod, _METADATA, _POD_SPEC), min_size=4, max_size=4)


@_SETTINGS
@given(pods=_PODS, metadata_patch=_metadata_patch(), spec_patch=_spec_patch())
def test_pods_are_patched_as_kubectl_patches_them(
    tmp_path_factory: pytest.TempPathFactory, pods: list[Json], metadata_patch: Json, spec_patch: Json
) -> None:
    patch = {"metadata": metadata_patch, "spec": spec_patch}
    _assert_same(tmp_path_factory.mktemp("p"), pods, patch, _strategic(POD, patch), "strategic")


@_SETTINGS
@given(specs=st.lists(_POD_SPEC, min_size=4, max_size=4), spec_patch=_spec_patch(), recreate=st.booleans())
def test_deployments_are_patched_as_kubectl_patches_them(
    tmp_path_factory: pytest.TempPathFactory, specs: list[Json], spec_patch: Json, recreate: bool
) -> None:
    documents: list[Json] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {},
            "spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}, "template": {"spec": spec}},
        }
        for spec in specs
    ]
    patch: Json = {"spec": {"template": {"spec": spec_patch}}}
    if recreate:
        patch["spec"]["strategy"] = {"$retainKeys": ["type"], "type": "Recreate"}
    _assert_same(tmp_path_factory.mktemp("d"), documents, patch, _strategic(DEPLOYMENT, patch), "strategic")


_MERGE_SPEC: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "containers": st.one_of(st.none(), _keyed_list(_CONTAINER)),
        "nodeSelector": st.one_of(st.none(), st.dictionaries(st.sampled_from("pqr"), st.one_of(st.none(), _VALUE))),
        "volumes": st.lists(st.fixed_dictionaries({"name": _VALUE, "emptyDir": st.one_of(st.none(), st.just({}))})),
        "securityContext": st.fixed_dictionaries({}, optional={"runAsUser": st.one_of(st.none(), st.just(1))}),
    },
)


@_SETTINGS
@given(pods=_PODS, spec_patch=_MERGE_SPEC)
def test_merge_patches_do_what_kubectl_does(
    tmp_path_factory: pytest.TempPathFactory, pods: list[Json], spec_patch: Json
) -> None:
    patch = {"spec": spec_patch}
    _assert_same(tmp_path_factory.mktemp("m"), pods, patch, lambda pod: apply_merge_patch(pod, patch), "merge")


_STEP = st.sampled_from(["containers", "nodeSelector", "volumes", "p", "0", "1", "-1", "-", "01", "name", "env", "image", "x"])
_POINTER = st.lists(_STEP, max_size=4).map(lambda steps: "".join(f"/{step}" for step in ["spec", *steps]))
_NEW_VALUE = st.sampled_from([None, "s", {"name": "n"}, [{"name": "n"}], {"p": "q"}])
_OPERATION = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": _POINTER, "value": _NEW_VALUE}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": _POINTER}),
    st.fixed_dictionaries({"op": st.sampled_from(["copy", "move"]), "path": _POINTER, "from": _POINTER}),
)


@settings(_SETTINGS, max_examples=60)
@given(pod=_PODS, operations=st.lists(_OPERATION, min_size=1, max_size=2))
def test_json_patches_do_what_kubectl_does(
    tmp_path_factory: pytest.TempPathFactory, pod: list[Json], operations: list[Json]
) -> None:
    """One object at a time: kubectl stops at the first that it cannot patch."""
    _assert_same(tmp_path_factory.mktemp("j"), pod[:1], operations, lambda pod: apply_json_patch(pod, operations), "json")
