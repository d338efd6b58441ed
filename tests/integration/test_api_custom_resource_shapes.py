"""Definitions in the style of well-known ones: gateways with many rules, certificates, workloads with a whole pod template."""

import json
import time
from pathlib import Path
from typing import Any

import orjson

from master.api.schema.definitions import schema_file
from tests.integration.api_world import api_world
from tests.integration.test_api_custom_resource_versions import sent

Json = dict[str, Any]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_PACKAGED: Json = orjson.loads(schema_file())["$defs"]


def text(most: int, **more: Any) -> Json:
    return {"type": "string", "maxLength": most, **more}


def rules(*found: str) -> list[Json]:
    return [{"rule": rule, "message": f"rule {index} does not hold"} for index, rule in enumerate(found)]


def definition(kind: str, spec: Json, **version: Any) -> Json:
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "required": ["spec"], "properties": {"spec": spec, "status": {
        "type": "object", "properties": {"conditions": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"], "maxItems": 8,
            "items": {"type": "object", "required": ["type", "status"], "properties": {
                "type": text(316), "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "lastTransitionTime": {"type": "string", "format": "date-time"}}}}}}}}  # fmt: skip
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                          "schema": {"openAPIV3Schema": schema}, **version}],
        },
    }  # fmt: skip


def route() -> Json:
    """Rules over parents, matches and filters, as routes of a gateway have them."""
    name = "(!has(p1.__namespace__) || p1.__namespace__ == '') && (!has(p2.__namespace__) || p2.__namespace__ == '')"
    same = "has(p1.__namespace__) && has(p2.__namespace__) && p1.__namespace__ == p2.__namespace__"
    section = "((!has(p1.sectionName) || p1.sectionName == '') == (!has(p2.sectionName) || p2.sectionName == ''))"
    parents = (
        "self.all(p1, self.all(p2, p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name && "
        f"(({name}) || ({same})) ? {section} : true))"
    )
    path = {
        "type": "object",
        "default": {"type": "PathPrefix", "value": "/"},
        "properties": {
            "type": {"type": "string", "enum": ["Exact", "PathPrefix", "RegularExpression"], "default": "PathPrefix"},
            "value": text(1024, default="/"),
        },
        "x-kubernetes-validations": rules(
            "(self.type in ['Exact','PathPrefix']) ? self.value.startsWith('/') : true",
            "(self.type in ['Exact','PathPrefix']) ? !self.value.contains('//') : true",
            "(self.type in ['Exact','PathPrefix']) ? !self.value.endsWith('/..') : true",
            "(self.type in ['Exact','PathPrefix']) ? "
            'self.value.matches(r"""^(?:[-A-Za-z0-9/._~!$&\'()*+,;=:@]|[%][0-9a-fA-F]{2})+$""") : true',
        ),
    }
    filters = {
        "type": "array",
        "maxItems": 16,
        "items": {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": {"type": "string", "enum": ["Redirect", "Rewrite", "Headers"]},
                "headers": {"type": "object"},
            },
            "x-kubernetes-validations": rules("!(!has(self.headers) && self.type == 'Headers')"),
        },
        "x-kubernetes-validations": rules(
            "!(self.exists(f, f.type == 'Redirect') && self.exists(f, f.type == 'Rewrite'))",
            "self.filter(f, f.type == 'Headers').size() <= 1",
        ),
    }
    counted = " + ".join(f"(self.size() > {i} ? self[{i}].matches.size() : 0)" for i in range(16))
    matches = {"type": "array", "maxItems": 64, "default": [{}], "items": {"type": "object", "properties": {"path": path}}}
    return definition("Route", {
        "type": "object",
        "properties": {
            "parentRefs": {
                "type": "array", "maxItems": 32, "x-kubernetes-list-type": "atomic",
                "items": {"type": "object", "required": ["name"], "properties": {
                    "group": text(253, default="gateway.example.com"), "kind": text(63, default="Gateway"),
                    "name": text(253), "namespace": text(63), "sectionName": text(253)}},
                "x-kubernetes-validations": rules(parents),
            },
            "hostnames": {"type": "array", "maxItems": 16, "items": text(253, minLength=1, pattern=r"^(\*\.)?[a-z0-9.-]+$")},
            "rules": {
                "type": "array", "maxItems": 16,
                "items": {"type": "object", "properties": {"matches": matches, "filters": filters}},
                "x-kubernetes-validations": rules(f"{counted} <= 128"),
            },
        },
    })  # fmt: skip


def gateway() -> Json:
    listener = {
        "type": "object",
        "required": ["name", "port", "protocol"],
        "properties": {
            "name": text(253),
            "port": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535},
            "protocol": text(255),
            "hostname": text(253),
            "tls": {"type": "object", "properties": {"mode": {"type": "string", "enum": ["Terminate", "Passthrough"]}}},
        },
    }
    unique = (
        "self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && "
        "has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))"
    )
    return definition("Gateway", {"type": "object", "required": ["listeners"], "properties": {"listeners": {
        "type": "array", "minItems": 1, "maxItems": 64, "items": listener,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "x-kubernetes-validations": rules(
            "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)",
            "self.all(l1, self.exists_one(l2, l1.name == l2.name))",
            unique,
        ),
    }}})  # fmt: skip


def certificate() -> Json:
    columns = [
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Secret", "type": "string", "jsonPath": ".spec.secretName"},
    ]
    return definition(
        "Certificate",
        {
            "type": "object",
            "required": ["secretName", "issuerRef"],
            "properties": {
                "secretName": {"type": "string"},
                "duration": {"type": "string"},
                "dnsNames": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "atomic"},
                "issuerRef": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
                "privateKey": {
                    "type": "object",
                    "properties": {
                        "algorithm": {"type": "string", "enum": ["RSA", "ECDSA", "Ed25519"]},
                        "size": {"type": "integer"},
                    },
                },
            },
        },
        additionalPrinterColumns=columns,
    )


def structural(schema: Json, seen: tuple[str, ...] = ()) -> Json:
    """A packaged schema with its references written out."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        if name.endswith(("Quantity", "IntOrString")):
            return {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
        if name.endswith(".Time"):
            return {"type": "string", "format": "date-time"}
        if name in seen or name.endswith("ObjectMeta"):
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        return {**structural(_PACKAGED[name], (*seen, name)), "description": schema.get("description", "")}
    kind = schema.get("type") or "object"
    found: Json = {"type": kind if isinstance(kind, str) else next(name for name in kind if name != "null")}
    for key in ("description", "required"):
        if schema.get(key):
            found[key] = schema[key]
    if "properties" in schema:
        found["properties"] = {name: structural(field, seen) for name, field in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found[key] = structural(schema[key], seen)
    return found


async def test_well_known_shapes_are_accepted_and_work(tmp_path: Path) -> None:
    async with api_world(tmp_path) as world, world.http(world.admin()) as http:
        workload = definition("Workload", structural({"$ref": "#/$defs/io.k8s.api.apps.v1.DeploymentSpec"}))
        assert len(json.dumps(workload)) > 200_000
        for body in (route(), gateway(), certificate(), workload):
            began = time.monotonic()
            code, answer = await sent(http, "POST", DEFINITIONS, body)
            assert code == 201, answer.get("message")
            name = body["metadata"]["name"]
            await world.ok("wait", "--for=condition=Established", "--timeout=10s", f"crd/{name}")
            assert time.monotonic() - began < 5

        async def create(kind: str, spec: Json) -> tuple[int, Json]:
            path = f"/apis/example.com/v1/namespaces/default/{kind.lower()}s"
            return await sent(http, "POST", path, {"metadata": {"generateName": "x-"}, "spec": spec})

        code, made = await create("Route", {"parentRefs": [{"name": "g"}], "rules": [{}], "hostnames": ["*.example.com"]})
        assert (code, made["spec"]["rules"]) == (201, [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}])
        twice = [{"name": "g"}, {"name": "g", "sectionName": "a"}]
        code, refused = await create("Route", {"parentRefs": twice})
        assert (code, refused["details"]["causes"][0]["field"]) == (422, "spec.parentRefs")
        bad_path = {"matches": [{"path": {"value": "a//b"}}], "filters": [{"type": "Redirect"}, {"type": "Rewrite"}]}
        code, refused = await create("Route", {"rules": [bad_path]})
        assert code == 422
        assert {cause["field"] for cause in refused["details"]["causes"]} == {
            "spec.rules[0].matches[0].path", "spec.rules[0].filters",
        }  # fmt: skip
        http_listener = {"port": 80, "protocol": "HTTP"}
        assert (await create("Gateway", {"listeners": [{"name": "a", **http_listener}]}))[0] == 201
        code, refused = await create(
            "Gateway", {"listeners": [{"name": "a", **http_listener}, {"name": "b", **http_listener}]}
        )
        assert (code, refused["details"]["causes"][0]["message"]) == (422, 'Invalid value: "array": rule 2 does not hold')
        assert (await create("Certificate", {"secretName": "s", "issuerRef": {"name": "i"}}))[0] == 201
        assert "secretName" in await world.ok("explain", "certificates.spec")
        containers = [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]
        template = {"spec": {"containers": containers}}
        code, made = await create("Workload", {"replicas": 1, "selector": {}, "template": template, "unknown": 1})
        assert (code, "unknown" in made["spec"]) == (201, False)
        assert "FIELDS" in await world.ok("explain", "workloads.spec.template.spec.containers")
