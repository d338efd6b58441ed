"""Nobody gives what he does not have: which rights of some rules a user lacks.

Called by the admission plugin `rbac_escalation`. Sources: k8s.io/component-helpers auth/rbac/validation/policy_comparator.go,
pkg/registry/rbac/validation.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from master.api.auth.protocol import Attributes, Decision, UserInfo
from master.api.auth.rbac.grants import Grants
from master.api.auth.rbac.policy import PolicyRule, url_matches

#: A role that gives more single rights than this is refused to whoever does not hold its rules as a whole: to compare them one
#: by one would keep everybody else waiting.
MAX_RIGHTS = 20_000
#: How many rights a refusal lists.
_MAX_SHOWN = 200

_GIVEN = Decision(True)
_NOBODY = UserInfo("")
#: What a right to every name asks for: no rule that lists names has it, as no object has it ("" could be listed).
_NO_NAME = "\0"

#: What who gathers other roles' rules must hold.
EVERYTHING = (
    PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",)),
    PolicyRule(verbs=("*",), non_resource_urls=("*",)),
)


class TooManyRights(ValueError):
    """The rules give more single rights than can be compared."""


def missing_rights(held: Sequence[PolicyRule], wanted: Iterable[PolicyRule]) -> list[PolicyRule]:
    """The single rights of `wanted` that no rule of `held` covers, at most some. Raises TooManyRights."""
    missing: list[PolicyRule] = []
    looked_at = 0
    grants = Grants((own, _GIVEN) for own in held)
    for rule in wanted:
        if any(covers(own, rule) for own in held):
            continue
        for right in _rights(rule):
            looked_at += 1
            if looked_at > MAX_RIGHTS:
                raise TooManyRights(f"more than {MAX_RIGHTS} rights to compare")
            if len(missing) < _MAX_SHOWN and not grants.authorize(_question(right)).allowed:
                missing.append(right)
    return missing


def refusal(user: UserInfo, missing: Sequence[PolicyRule], errors: Sequence[str]) -> str:
    """What the user is told, in Kubernetes' words."""
    listed = "\n".join(sorted({_shown(rule) for rule in _compact(missing)}))
    groups = _quoted(user.groups)
    text = f'user "{user.name}" (groups={groups}) is attempting to grant RBAC permissions not currently held:\n{listed}'
    return text + (f"; resolution errors: [{' '.join(errors)}]" if errors else "")


def covers(own: PolicyRule, rule: PolicyRule) -> bool:
    """Whether one rule gives all that another gives."""
    if rule.resources or rule.api_groups:
        if not (_all(own.api_groups, rule.api_groups) and _all_resources(own.resources, rule.resources)):
            return False
        if own.resource_names and not (rule.resource_names and set(rule.resource_names) <= set(own.resource_names)):
            return False
    if not all(any(url_matches(pattern, url) for pattern in own.non_resource_urls) for url in rule.non_resource_urls):
        return False
    return _all(own.verbs, rule.verbs)


def _question(right: PolicyRule) -> Attributes:
    """A single right as a request; a star in it is allowed by a star alone."""
    if right.non_resource_urls:
        return Attributes(_NOBODY, right.verbs[0], path=right.non_resource_urls[0])
    resource, _, subresource = right.resources[0].partition("/")
    name = right.resource_names[0] if right.resource_names else _NO_NAME
    return Attributes(
        _NOBODY, right.verbs[0], group=right.api_groups[0], resource=resource, subresource=subresource, name=name
    )


def _rights(rule: PolicyRule) -> Iterator[PolicyRule]:
    """A rule as single rights."""
    names: tuple[tuple[str, ...], ...] = tuple((name,) for name in rule.resource_names) or ((),)
    for group, resource, verb, name in itertools.product(rule.api_groups, rule.resources, rule.verbs, names):
        yield PolicyRule(verbs=(verb,), api_groups=(group,), resources=(resource,), resource_names=name)
    for url, verb in itertools.product(rule.non_resource_urls, rule.verbs):
        yield PolicyRule(verbs=(verb,), non_resource_urls=(url,))


def _all(own: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return "*" in own or set(wanted) <= set(own)


def _all_resources(own: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    if "*" in own:
        return True
    for resource in wanted:
        if resource in own:
            continue
        _, slash, subresource = resource.partition("/")
        if not slash or f"*/{subresource}" not in own:
            return False
    return True


def _compact(rights: Sequence[PolicyRule]) -> list[PolicyRule]:
    """The verbs of one resource in one rule."""
    compacted: dict[PolicyRule, list[str]] = {}
    for right in rights:
        key = PolicyRule(
            api_groups=right.api_groups,
            resources=right.resources,
            resource_names=right.resource_names,
            non_resource_urls=right.non_resource_urls,
            verbs=right.verbs if right.non_resource_urls else (),
        )
        verbs = compacted.setdefault(key, [])
        verbs += [verb for verb in right.verbs if verb not in verbs]
    return [
        PolicyRule(
            verbs=tuple(verbs),
            api_groups=key.api_groups,
            resources=key.resources,
            resource_names=key.resource_names,
            non_resource_urls=key.non_resource_urls,
        )
        for key, verbs in compacted.items()
    ]


def _shown(rule: PolicyRule) -> str:
    fields = (
        ("APIGroups", rule.api_groups),
        ("Resources", rule.resources),
        ("NonResourceURLs", rule.non_resource_urls),
        ("ResourceNames", rule.resource_names),
        ("Verbs", rule.verbs),
    )
    return "{" + ", ".join(f"{name}:{_quoted(values)}" for name, values in fields if values) + "}"


def _quoted(values: Iterable[str]) -> str:
    """Strings as Go's %q shows a slice of them."""
    return "[" + " ".join(f'"{value}"' for value in values) + "]"
