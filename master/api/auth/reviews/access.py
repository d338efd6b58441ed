"""What the three access reviews share: validation of their specs, attributes, status.

Sources: pkg/apis/authorization/validation and pkg/registry/authorization/util of kubernetes/kubernetes.
"""

from collections.abc import Iterable

from master.api.auth.authorization import Authorization
from master.api.auth.protocol import Attributes, UserInfo
from master.api.kinds.rules import field_errors as errors
from master.client.errors import Cause, invalid
from master.client.protocol import Json

GROUP = "authorization.k8s.io"


def validate_attributes(spec: Json) -> list[Cause]:
    """Exactly one question: about a resource or about a path."""
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and other is not None:
        why = "cannot be specified in combination with resourceAttributes"
        return [errors.invalid("spec.nonResourceAttributes", go_fields(other), why), *_validate_selectors(resource)]
    if resource is None and other is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [errors.invalid("spec.resourceAttributes", "null", why)]
    return _validate_selectors(resource) if resource is not None else []


def validate_subject(spec: Json) -> list[Cause]:
    """Somebody is asked about."""
    if spec.get("user") or spec.get("groups"):
        return []
    return [errors.invalid("spec.user", "", "at least one of user or group must be specified")]


def validate_metadata(metadata: Json, why: str, *, allowed: Iterable[str] = ()) -> list[Cause]:
    """A review has no name and no labels."""
    ignored = {"managedFields", "creationTimestamp", *allowed}
    if any(value for key, value in metadata.items() if key not in ignored):
        return [errors.invalid("metadata", metadata, why)]
    return []


def refuse(causes: list[Cause]) -> None:
    """Raises StatusError 422 when there are causes; kube-apiserver leaves the kind out of its message."""
    if causes:
        raise invalid("", GROUP, "", causes)


def subject(spec: Json) -> UserInfo:
    """Whom a SubjectAccessReview asks about."""
    return UserInfo(
        spec.get("user") or "",
        uid=spec.get("uid") or "",
        groups=tuple(spec.get("groups") or ()),
        extra=spec.get("extra") or {},
    )


def attributes(user: UserInfo, spec: Json) -> Attributes:
    """The request that a valid spec asks about."""
    resource = spec.get("resourceAttributes")
    if resource is None:
        other = spec["nonResourceAttributes"]
        return Attributes(user, other.get("verb") or "", path=other.get("path") or "")
    return Attributes(
        user,
        resource.get("verb") or "",
        group=resource.get("group") or "",
        version=resource.get("version") or "*",
        resource=resource.get("resource") or "*",
        subresource=resource.get("subresource") or "",
        namespace=resource.get("namespace") or "",
        name=resource.get("name") or "",
    )


def status(authorization: Authorization, user: UserInfo, spec: Json) -> Json:
    """SubjectAccessReviewStatus. What no authoriser looks at (selectors) is told when it cannot be parsed."""
    decision = authorization.authorize(attributes(user, spec))
    answer: Json = {"allowed": decision.allowed}
    if decision.reason:
        answer["reason"] = decision.reason
    problems = _ignored_selectors(spec.get("resourceAttributes") or {})
    if problems:
        answer["evaluationError"] = "; ".join(problems)
    return answer


def go_fields(value: Json) -> Json:
    """An object as an error shows it that names Go's fields."""
    return {key[:1].upper() + key[1:]: item for key, item in value.items()}


def _validate_selectors(resource: Json) -> list[Cause]:
    causes: list[Cause] = []
    for name in ("fieldSelector", "labelSelector"):
        selector = resource.get(name)
        if selector is not None:
            causes += _validate_selector(selector, f"spec.resourceAttributes.{name}")
    return causes


def _validate_selector(selector: Json, path: str) -> list[Cause]:
    raw, requirements = selector.get("rawSelector") or "", selector.get("requirements") or []
    causes: list[Cause] = []
    if raw and requirements:
        causes.append(errors.invalid(f"{path}.rawSelector", raw, "may not specified at the same time as requirements"))
    if not raw and not requirements:
        why = f"when {path} is specified, requirements or rawSelector is required"
        causes.append(errors.required(f"{path}.requirements", why))
    for index, requirement in enumerate(requirements):
        at = f"{path}.requirements[{index}]"
        if not requirement.get("key"):
            causes.append(errors.required(f"{at}.key", "must be specified"))
        values = requirement.get("values") or []
        match requirement.get("operator"):
            case "In" | "NotIn" if not values:
                causes.append(errors.required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
            case "Exists" | "DoesNotExist" if values:
                why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                causes.append(errors.forbidden(f"{at}.values", why))
    return causes


def _ignored_selectors(resource: Json) -> list[str]:
    """Requirements with an operator that does not exist are left out of the question."""
    problems = []
    for name, known in (("fieldSelector", ("In", "NotIn")), ("labelSelector", ("In", "NotIn", "Exists", "DoesNotExist"))):
        requirements = (resource.get(name) or {}).get("requirements") or []
        wrong = [one for one in requirements if one.get("operator") not in known or _several(name, one)]
        if wrong:
            how = "partially ignored" if len(wrong) < len(requirements) else "ignored"
            problems.append(f"spec.resourceAttributes.{name} {how} due to parse error")
    return problems


def _several(name: str, requirement: Json) -> bool:
    return name == "fieldSelector" and len(requirement.get("values") or ()) > 1


def check(spec: Json, metadata: Json) -> None:
    """The whole check of a review that names its subject. Raises StatusError 422."""
    refuse([*validate_attributes(spec), *validate_subject(spec), *validate_metadata(metadata, "must be empty")])
