"""Self reviews: `kubectl auth whoami` and `kubectl auth can-i`. Called by `master.api.http`."""

from master.api.auth.authorization import Authorization
from master.api.auth.protocol import MASTERS, Attributes, UserInfo
from master.client.errors import bad_request
from master.client.protocol import Json


class SelfReviews:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization

    def respond(self, user: UserInfo, plural: str, body: Json) -> Json:
        """The review with its status. Raises StatusError 400 for one that asks nothing."""
        match plural:
            case "selfsubjectreviews":
                return {**body, "status": {"userInfo": user_info(user)}}
            case "selfsubjectaccessreviews":
                return {**body, "status": self._access(user, body.get("spec") or {})}
        return {**body, "status": _rules(user)}

    def _access(self, user: UserInfo, spec: Json) -> Json:
        attributes = _attributes(user, spec)
        reason = self._authorization.allows(attributes)
        if reason is None:
            return {"allowed": False}
        return {"allowed": True, "reason": reason} if reason else {"allowed": True}


def user_info(user: UserInfo) -> Json:
    """authentication.k8s.io/v1 UserInfo."""
    info: Json = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info


def _attributes(user: UserInfo, spec: Json) -> Attributes:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (other is None):
        raise bad_request("exactly one of nonResourceAttributes or resourceAttributes must be specified")
    if not isinstance(resource, dict | None) or not isinstance(other, dict | None):
        raise bad_request("resourceAttributes and nonResourceAttributes must be objects")
    if resource is None:
        assert other is not None
        return Attributes(user, _text(other, "verb"), path=_text(other, "path"))
    return Attributes(
        user,
        _text(resource, "verb"),
        group=_text(resource, "group"),
        version=_text(resource, "version"),
        resource=_text(resource, "resource") or "*",
        subresource=_text(resource, "subresource"),
        namespace=_text(resource, "namespace"),
        name=_text(resource, "name"),
    )


def _text(attributes: Json, name: str) -> str:
    value = attributes.get(name) or ""
    if not isinstance(value, str):
        raise bad_request(f"json: cannot unmarshal into Go struct field ResourceAttributes.{name} of type string")
    return value


def _rules(user: UserInfo) -> Json:
    """What `kubectl auth can-i --list` shows until RBAC: the rules of the built-in authorisers."""
    resource_rules: list[Json] = [
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
         "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
        {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
    ]  # fmt: skip
    paths = ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version"]
    other_rules: list[Json] = [{"verbs": ["get"], "nonResourceURLs": paths}]
    if MASTERS in user.groups:
        resource_rules.insert(0, {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
        other_rules.insert(0, {"verbs": ["*"], "nonResourceURLs": ["*"]})
    return {"resourceRules": resource_rules, "nonResourceRules": other_rules, "incomplete": False}
