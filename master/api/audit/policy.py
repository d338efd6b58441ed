"""An audit policy (audit.k8s.io/v1 Policy): which requests are written, how much of them, at which stages.

Source: https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/, k8s.io/apiserver pkg/audit/policy
"""

from enum import IntEnum
from pathlib import Path
from typing import Any

import msgspec
import yaml

from master.api.auth.protocol import Attributes

STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
_API_VERSION, _KIND = "audit.k8s.io/v1", "Policy"


class InvalidPolicy(Exception):
    """The policy file cannot be used; says where and why."""


class Level(IntEnum):
    """How much is written; each level includes those below."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS = {Level.NONE: "None", Level.METADATA: "Metadata", Level.REQUEST: "Request", Level.REQUEST_RESPONSE: "RequestResponse"}
_LEVELS = {text: level for level, text in _TEXTS.items()}


class GroupResources(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    group: str = ""
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What does not stand in a rule does not restrict it."""

    level: str = ""
    users: tuple[str, ...] = ()
    user_groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool | None = None


class _File(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    api_version: str = ""
    kind: str = ""
    metadata: dict[str, Any] = {}
    rules: tuple[Rule, ...] = ()
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool = False


class Decision(msgspec.Struct, frozen=True):
    """How one request is written."""

    level: Level
    omitted_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


class AuditPolicy:
    """The first rule that matches decides; a request that none matches is not written."""

    def __init__(self, rules: "tuple[tuple[Rule, Decision], ...]") -> None:
        self._rules = rules

    def decide(self, attributes: Attributes) -> Decision:
        for rule, decision in self._rules:
            if _matches(rule, attributes):
                return decision
        return _UNWRITTEN


_UNWRITTEN = Decision(Level.NONE)


def load(path: Path) -> AuditPolicy:
    """Blocks. Raises InvalidPolicy."""
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise InvalidPolicy(f"audit policy {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InvalidPolicy(f"audit policy {path}: {' '.join(str(error).split())}") from error
    try:
        return parse(content)
    except InvalidPolicy as error:
        raise InvalidPolicy(f"audit policy {path}: {error}") from error


def parse(content: Any) -> AuditPolicy:
    """A policy as YAML or JSON gives it. Raises InvalidPolicy."""
    try:
        file = msgspec.convert(content, _File)
    except msgspec.ValidationError as error:
        raise InvalidPolicy(str(error)) from error
    if (file.api_version, file.kind) != (_API_VERSION, _KIND):
        raise InvalidPolicy(f"it is {file.api_version or '?'} {file.kind or '?'}, not {_API_VERSION} {_KIND}")
    if not file.rules:
        raise InvalidPolicy("loaded illegal policy with 0 rules")
    _check_stages("omitStages", file.omit_stages)
    for index, rule in enumerate(file.rules):
        _check(f"rules[{index}]", rule)
    return AuditPolicy(tuple((rule, _decision(file, rule)) for rule in file.rules))


def _decision(file: _File, rule: Rule) -> Decision:
    omit = file.omit_managed_fields if rule.omit_managed_fields is None else rule.omit_managed_fields
    return Decision(_LEVELS[rule.level], frozenset((*file.omit_stages, *rule.omit_stages)), omit)


def _check(where: str, rule: Rule) -> None:
    if not rule.level:
        raise InvalidPolicy(f"{where}.level: Required value")
    if rule.level not in _LEVELS:
        supported = ", ".join(f'"{text}"' for text in _LEVELS)
        raise InvalidPolicy(f'{where}.level: Unsupported value: "{rule.level}": supported values: {supported}')
    _check_stages(f"{where}.omitStages", rule.omit_stages)
    for index, url in enumerate(rule.non_resource_urls):
        place = f'{where}.nonResourceURLs[{index}]: Invalid value: "{url}"'
        if url != "*" and not url.startswith("/"):
            raise InvalidPolicy(f"{place}: non-resource URL rules must begin with a '/' character")
        if "*" in url[:-1]:
            raise InvalidPolicy(f"{place}: non-resource URL wildcards '*' must be the final character of the rule")
    if rule.non_resource_urls and (rule.resources or rule.namespaces):
        raise InvalidPolicy(f"{where}.nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs")
    for group in rule.resources:
        if group.resource_names and not group.resources:
            raise InvalidPolicy(f"{where}.resources.resourceNames: using resourceNames requires at least one resource")


def _check_stages(where: str, stages: tuple[str, ...]) -> None:
    for index, stage in enumerate(stages):
        if stage not in STAGES:
            raise InvalidPolicy(f'{where}[{index}]: Invalid value: "{stage}": allowed stages are {",".join(STAGES)}')


def _matches(rule: Rule, attributes: Attributes) -> bool:
    if rule.users and attributes.user.name not in rule.users:
        return False
    if rule.user_groups and not any(group in rule.user_groups for group in attributes.user.groups):
        return False
    if rule.verbs and attributes.verb not in rule.verbs:
        return False
    if rule.namespaces or rule.resources:
        return _matches_resource(rule, attributes)
    if rule.non_resource_urls:
        return not attributes.is_resource and any(_matches_path(attributes.path, url) for url in rule.non_resource_urls)
    return True


def _matches_path(path: str, url: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))


def _matches_resource(rule: Rule, attributes: Attributes) -> bool:
    if not attributes.is_resource:
        return False
    if rule.namespaces and attributes.namespace not in rule.namespaces:
        return False
    return not rule.resources or any(_in_group(group, attributes) for group in rule.resources)


def _in_group(group: GroupResources, attributes: Attributes) -> bool:
    if group.group not in (attributes.group, "*"):
        return False
    if not group.resources:
        return True
    if group.resource_names and attributes.name not in group.resource_names:
        return False
    resource, subresource = attributes.resource, attributes.subresource
    accepted = {"*", f"{resource}/{subresource}" if subresource else resource, f"{resource}/*"}
    if subresource:
        accepted.add(f"*/{subresource}")
    return any(name in accepted for name in group.resources)
