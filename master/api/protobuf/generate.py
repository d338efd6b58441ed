"""Makes `messages.json` from the struct tags of Kubernetes' Go types. A developer's tool; the API never runs it.

    python -m master.api.protobuf.generate <api> <apimachinery> <apiextensions-apiserver> <kube-aggregator>

Each argument is a checkout of that repository of k8s.io, all of one release (v0.33.2 now).

Field numbers never change (Kubernetes' API promise), so this is only needed to serve fields of a newer release.
"""

import json
import re
import sys
from pathlib import Path

#: Packages of top-level objects, as folders below k8s.io/api.
_API = (
    "core/v1", "admissionregistration/v1", "apps/v1", "authentication/v1", "authorization/v1", "autoscaling/v1",
    "autoscaling/v2", "batch/v1", "certificates/v1", "coordination/v1", "discovery/v1", "events/v1", "flowcontrol/v1",
    "networking/v1", "node/v1", "policy/v1", "rbac/v1", "scheduling/v1", "storage/v1",
)  # fmt: skip
_META = "pkg/apis/meta/v1"
_EXTENSIONS = "apiextensions/v1"
_REGISTRATION = "apiregistration/v1"

_STRUCT = re.compile(r"^type (\w+) struct ?\{(?:$(.*?)^)?\}", re.MULTILINE | re.DOTALL)
_ALIAS = re.compile(r"^type (\w+) (?!struct\b|interface\b|func\b)=?\s*(\S+)\s*$", re.MULTILINE)
_FIELD = re.compile(r'^\s*(?:(\w+)\s+)?([\w.\[\]*]+)\s+`json:"([^"]*)"[^`]*\bprotobuf:"([^"]*)"')
#: A field of a type that writes its own JSON: "a schema, or …".
_ALTERNATIVE = re.compile(r'^\s*\w+\s+([\w.\[\]*]+)\s+`protobuf:"\w+,(\d+),\w+,name=(\w+)"`')
_IMPORT = re.compile(r'^\s*(?:import )?(\w+)? ?"k8s\.io/(api|apimachinery)/([^"]+)"', re.MULTILINE)

_SCALARS = {
    "string": "string", "bool": "bool", "int32": "int", "int64": "int", "int": "int", "uint32": "uint", "uint64": "uint",
    "float64": "double", "byte": "byte", "types.UID": "string", "types.NodeName": "string",
    "runtime.RawExtension": "raw", "resource.Quantity": "quantity", "intstr.IntOrString": "intOrString",
}  # fmt: skip
_META_SCALARS = {"Time": "time", "MicroTime": "time", "Duration": "duration", "FieldsV1": "raw"}


class Package:
    """The structs and aliases of one folder, and what its imports are called."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.structs: dict[str, str] = {}
        self.aliases: dict[str, str] = {}
        self.imports: dict[str, str] = {}
        for file in sorted(folder.glob("*.go")):
            if file.name.endswith("_test.go") or file.name.startswith("zz_generated") or file.name == "generated.pb.go":
                continue
            text = file.read_text(encoding="utf-8")
            self.structs.update({match[1]: match[2] or "" for match in _STRUCT.finditer(text)})
            self.aliases.update({match[1]: match[2] for match in _ALIAS.finditer(text)})
            for alias, root, path in _IMPORT.findall(text):
                package = "meta/v1" if (root, path) == ("apimachinery", _META) else path
                self.imports[alias or path.rpartition("/")[2]] = package


class Generator:
    def __init__(self, packages: dict[str, Package]) -> None:
        self._packages = packages
        self.messages: dict[str, dict[str, list[object]]] = {}

    def add(self, package: Package, struct: str) -> None:
        """Add a message and all that it refers to."""
        name = f"{package.name}.{struct}"
        if name in self.messages:
            return
        fields: dict[str, list[object]] = {}
        self.messages[name] = fields
        if _is_alternative(package, struct):
            for match in map(_ALTERNATIVE.match, package.structs[struct].splitlines()):
                if match is not None:
                    fields[match[2]] = [match[3], self._kind(package, match[1]), 0]
            return
        for line in package.structs[struct].splitlines():
            match = _FIELD.match(line)
            if match is None or self._is_alpha(package, match[2]):
                continue
            go_name, go_type, json_tag, proto_tag = match.groups()
            json_name, _, options = json_tag.partition(",")
            number = proto_tag.split(",")[1]
            inline = not json_name and (not go_name or "inline" in options)
            kind = self._kind(package, go_type)
            if ",rep," in proto_tag:
                kind = kind.removeprefix("items:")
            # Without a pointer, Go writes a zero on the wire too, and leaves it out of JSON when it may.
            zero = "omitempty" in options and not go_type.startswith("*")
            fields[number] = ["" if inline else json_name, kind, int(zero)]

    def _is_alpha(self, package: Package, go_type: str) -> bool:
        """Whether a field's type comes from a package that is not stable."""
        go_type = go_type.rpartition("]")[2].lstrip("*")
        prefix, dot, _ = go_type.rpartition(".")
        return bool(dot) and go_type not in _SCALARS and package.imports.get(prefix) not in self._packages

    def _kind(self, package: Package, go_type: str) -> str:
        go_type = go_type.removeprefix("*")
        if go_type in _SCALARS:
            return _SCALARS[go_type]
        if go_type == "[]byte":
            return "bytes"
        if go_type.startswith("[]"):
            return "[]" + self._kind(package, go_type[2:])
        if go_type.startswith("map["):
            return "{}" + self._kind(package, go_type.partition("]")[2])
        prefix, dot, name = go_type.rpartition(".")
        if dot:
            package = self._packages[package.imports[prefix]]
        if package.name == "meta/v1" and name in _META_SCALARS:
            return _META_SCALARS[name]
        if name in package.aliases:
            meant = package.aliases[name]
            # A named slice is a message with one repeated field on the wire; a named map or scalar is what it stands for.
            return ("items:" if meant.startswith("[]") else "") + self._kind(package, meant)
        if (package.name, name) == (_EXTENSIONS, "JSON"):
            return "raw"
        self.add(package, name)
        prefix = "or:" if _is_alternative(package, name) else ""
        return f"{prefix}{package.name}.{name}"


def _is_alternative(package: Package, struct: str) -> bool:
    return package.name == _EXTENSIONS and struct.startswith("JSONSchemaPropsOr")


def main(api: Path, apimachinery: Path, extensions: Path, aggregator: Path) -> None:
    packages = {name: Package(name, api / name) for name in _API}
    packages[_EXTENSIONS] = Package(_EXTENSIONS, extensions / "pkg/apis" / _EXTENSIONS)
    packages[_REGISTRATION] = Package(_REGISTRATION, aggregator / "pkg/apis" / _REGISTRATION)
    top_level = tuple(packages)
    packages["meta/v1"] = Package("meta/v1", apimachinery / _META)
    packages["meta/v1"].structs["TypeMeta"] = ""
    generator = Generator(packages)
    for name in top_level:
        package = packages[name]
        for struct, body in package.structs.items():
            if "TypeMeta" in body and not struct.endswith("List"):
                generator.add(package, struct)
    for struct in ("DeleteOptions", "Status"):
        generator.add(packages["meta/v1"], struct)
    lines = [f"{json.dumps(name)}: {json.dumps(fields)}" for name, fields in sorted(generator.messages.items())]
    target = Path(__file__).with_name("messages.json")
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:5]))
