"""Strategic merge, compared with `kubectl patch --local --type=strategic` on generated pods and deployments."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from master.api.patch.strategic_merge import apply_strategic_merge
from master.api.schema.schemas import Schemas

Json = dict[str, Any]

POD = "io.k8s.api.core.v1.Pod"
DEPLOYMENT = "io.k8s.api.apps.v1.Deployment"
SCHEMAS = Schemas([POD, DEPLOYMENT])
KUBECTL = shutil.which("kubectl") or ""

pytestmark = pytest.mark.skipif(not KUBECTL, reason="kubectl is not installed")

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
_METADATA = st.fixed_dictionaries({"name": st.just("x")}, optional={"finalizers": _FINALIZERS})

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


def _kubectl_patch(folder: Path, document: Json, patch: Json) -> Json | None:
    """What kubectl makes of it; None when it refuses."""
    manifest = folder / "object.json"
    manifest.write_text(json.dumps(document))
    command = [KUBECTL, "patch", "--local", "-f", str(manifest), "--type=strategic", "-p", json.dumps(patch), "-o", "json"]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False, env={"HOME": str(folder), "PATH": ""})
    if done.returncode:
        return None
    result: Json = json.loads(done.stdout)
    return result


def _stored(value: Any) -> Any:
    """What Go's types keep of it: no emptied map or list. kubectl leaves directives in what it adds as a whole; the decoder
    drops those, and we carry them out.
    """
    if isinstance(value, dict):
        cleaned = {key: _stored(item) for key, item in value.items() if not key.startswith("$")}
        return {key: item for key, item in cleaned.items() if item not in ([], {}, None)}
    if isinstance(value, list):
        return [_stored(item) for item in value if not (isinstance(item, dict) and "$patch" in item)]
    return value


def _assert_same(folder: Path, document: Json, patch: Json, definition: str) -> None:
    theirs = _kubectl_patch(folder, document, patch)
    assume(theirs is not None)
    ours = apply_strategic_merge(document, patch, definition=definition, schemas=SCHEMAS)
    assert _stored(ours) == _stored(theirs)


_SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@_SETTINGS
@given(metadata=_METADATA, spec=_POD_SPEC, metadata_patch=_metadata_patch(), spec_patch=_spec_patch())
def test_pods_are_patched_as_kubectl_patches_them(
    tmp_path_factory: pytest.TempPathFactory, metadata: Json, spec: Json, metadata_patch: Json, spec_patch: Json
) -> None:
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    _assert_same(tmp_path_factory.mktemp("p"), document, {"metadata": metadata_patch, "spec": spec_patch}, POD)


@_SETTINGS
@given(spec=_POD_SPEC, spec_patch=_spec_patch(), recreate=st.booleans())
def test_deployments_are_patched_as_kubectl_patches_them(
    tmp_path_factory: pytest.TempPathFactory, spec: Json, spec_patch: Json, recreate: bool
) -> None:
    document = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x"},
        "spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}, "template": {"spec": spec}},
    }
    patch: Json = {"spec": {"template": {"spec": spec_patch}}}
    if recreate:
        patch["spec"]["strategy"] = {"$retainKeys": ["type"], "type": "Recreate"}
    _assert_same(tmp_path_factory.mktemp("d"), document, patch, DEPLOYMENT)
