"""CustomResourceDefinitions and their objects through a real API server, with real kubectls."""

from pathlib import Path

import pytest
import yaml

from tests.integration.api_world import ApiWorld, api_world

WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd], categories: [all, gadgets]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
    additionalPrinterColumns:
    - {name: Size, type: string, jsonPath: .spec.size}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status', priority: 1}
    selectableFields: [{jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        description: A widget of the example company.
        properties:
          spec:
            type: object
            required: [size]
            x-kubernetes-validations:
            - {rule: "self.replicas <= self.limit", message: "too many replicas"}
            - {rule: "oldSelf.size == self.size", message: "size is immutable", fieldPath: .size, reason: FieldValueForbidden}
            properties:
              size: {type: string, enum: [small, large], description: How large it is.}
              replicas: {type: integer, minimum: 0, default: 1}
              limit: {type: integer, default: 10}
              ports:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties: {name: {type: string}, port: {x-kubernetes-int-or-string: true}}
          status:
            type: object
            properties:
              replicas: {type: integer}
              selector: {type: string}
              conditions: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


def widget(name: str, **spec: object) -> str:
    return yaml.safe_dump(
        {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": "small", **spec}}
    )


async def established(world: ApiWorld, definition: str, version: str = "") -> None:
    name = yaml.safe_load(definition)["metadata"]["name"]
    await world.ok("apply", "-f", "-", stdin=definition, version=version)
    await world.ok("wait", "--for=condition=Established", "--timeout=10s", f"crd/{name}", version=version)


@pytest.mark.parametrize("version", ["1.27", "1.30", ""])
async def test_a_kind_is_declared_used_and_taken_away_by_kubectl(tmp_path: Path, version: str) -> None:
    async with api_world(tmp_path) as world:

        async def ok(*arguments: str, stdin: str = "") -> str:
            return await world.ok(*arguments, stdin=stdin, version=version)

        async def refused(*arguments: str, stdin: str = "") -> str:
            result = await world.kubectl(*arguments, stdin=stdin, version=version)
            assert result.code != 0, result.out
            return result.err

        await established(world, WIDGETS, version)
        await ok("apply", "-f", "-", stdin=widget("one"))
        assert 'unknown field "spec.bogus"' in await refused("apply", "-f", "-", stdin=widget("two", bogus=1))
        table = (await ok("get", "wd,all")).splitlines()
        assert table[0].split() == ["NAME", "SIZE", "REPLICAS"]
        assert table[1].split() == ["widget.example.com/one", "small", "1"]
        assert "READY" in await ok("get", "wd", "-o", "wide")
        assert "example.com/one" in await ok("get", "gadgets", "-o", "name")
        assert "A widget of the example company." in await ok("explain", "widgets")
        assert "How large it is." in await ok("explain", "widgets.spec.size")
        assert "<ObjectMeta>" in await ok("explain", "widgets.metadata")

        await ok("scale", "wd/one", "--replicas=3")
        assert "too many replicas" in await refused("scale", "wd/one", "--replicas=30")
        error = await refused("patch", "wd", "one", "--type=merge", "-p", '{"spec":{"size":"large"}}')
        assert "spec.size: Forbidden: size is immutable" in error
        assert "not supported" in await refused("patch", "wd", "one", "-p", '{"spec":{"limit":5}}')
        status = '{"status":{"replicas":2,"conditions":[{"type":"Ready","status":"True"}]},"spec":{"limit":99}}'
        await ok("patch", "wd", "one", "--subresource=status", "--type=merge", "-p", status)
        shown = yaml.safe_load(await ok("get", "wd", "one", "-o", "yaml"))
        assert shown["spec"] == {"size": "small", "replicas": 3, "limit": 10}
        assert (shown["status"]["replicas"], shown["metadata"]["generation"]) == (2, 2)
        assert (await ok("get", "wd", "-o", "wide", "--no-headers")).split()[-1] == "True"

        assert await ok("get", "wd", "--field-selector", "spec.size=large", "-o", "name") == ""
        assert "one" in await ok("get", "wd", "--field-selector", "spec.size=small", "-o", "name")
        applied = widget("one", replicas=4, ports=[{"name": "a", "port": "http"}])
        await ok("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=applied)
        assert "Duplicate value" in await refused(
            "patch", "wd", "one", "--type=json", "-p", '[{"op":"add","path":"/spec/ports/-","value":{"name":"a"}}]'
        )
        await ok("delete", "crd", "widgets.example.com")
        assert (await world.kubectl("get", "wd", version=version)).code != 0
        assert not world.registry.storage.cache.list("/registry/example.com/widgets/")[0]


async def test_errors_of_a_definition_are_those_of_kubernetes(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world:
        wrong = yaml.safe_load(WIDGETS)
        version = wrong["spec"]["versions"][0]
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] = [{"rule": "self.sizes == 1"}]
        result = await world.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(wrong))
        path = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule"
        assert f"{path}: Invalid value: apiextensions.ValidationRule{{Rule:" in result.err
        assert "compilation failed: ERROR: <input>:1:5: undefined field 'sizes'" in result.err
        del version["schema"]
        wrong["metadata"]["name"] = "things.example.com"
        result = await world.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(wrong))
        assert 'metadata.name: Invalid value: "things.example.com": must be spec.names.plural+"."+spec.group' in result.err
        assert "spec.versions[0].schema.openAPIV3Schema: Required value" in result.err


async def test_an_update_without_a_version_is_refused_and_a_deprecated_version_warned_of(tmp_path: Path) -> None:
    body = yaml.safe_load(WIDGETS)
    old = {**body["spec"]["versions"][0], "name": "v1beta1", "storage": False, "deprecated": True}
    body["spec"]["versions"].append({**old, "deprecationWarning": 'use "v1"'})
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        await established(world, yaml.safe_dump(body))
        await world.ok("apply", "-f", "-", stdin=widget("one"))
        path = "/apis/example.com/v1/namespaces/default/widgets/one"
        async with http.put(path, json=yaml.safe_load(widget("one"))) as answer:
            refused = await answer.json()
        assert (answer.status, refused["details"]["causes"][0]["field"]) == (422, "metadata.resourceVersion")
        protobuf = {"Content-Type": "application/vnd.kubernetes.protobuf"}
        async with http.post(path.removesuffix("/one"), data=b"k8s\0", headers=protobuf) as answer:
            assert answer.status == 415
        result = await world.kubectl("get", "widgets.v1beta1.example.com")
        assert (result.code, result.err) == (0, 'Warning: use "v1"\n')


async def test_two_definitions_do_not_get_the_same_names(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world:
        await established(world, WIDGETS)
        second = yaml.safe_load(WIDGETS)
        second["metadata"]["name"] = "gadgets.example.com"
        second["spec"]["names"] = {"plural": "gadgets", "kind": "Widget"}
        await world.ok("apply", "-f", "-", stdin=yaml.safe_dump(second))
        await world.ok("wait", "--for=condition=NamesAccepted=false", "--timeout=10s", "crd/gadgets.example.com")
        assert (await world.kubectl("get", "--raw", "/apis/example.com/v1/gadgets")).code != 0
        await world.ok("delete", "crd", "widgets.example.com")
        await world.ok("wait", "--for=condition=Established", "--timeout=10s", "crd/gadgets.example.com")
        assert '"items":[]' in await world.ok("get", "--raw", "/apis/example.com/v1/gadgets")


async def test_a_deleted_definition_takes_many_objects_along_also_when_it_serves_them_no_longer(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        await established(world, WIDGETS)
        path = "/apis/example.com/v1/namespaces/default/widgets"
        for number in range(600):
            async with http.post(path, json=yaml.safe_load(widget(f"w{number}"))) as answer:
                assert answer.status == 201
        body = yaml.safe_load(WIDGETS)
        body["spec"]["versions"][0]["served"] = False
        await world.ok("apply", "-f", "-", stdin=yaml.safe_dump(body))
        async with http.get(path) as answer:
            assert answer.status == 404
        await world.ok("delete", "crd", "widgets.example.com", "--timeout=20s")
        assert not world.registry.storage.cache.list("/registry/example.com/widgets/")[0]
