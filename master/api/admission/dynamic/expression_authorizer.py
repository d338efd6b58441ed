"""`authorizer` in expressions: what the user who asks may do, as the authorisers of the API say.

    authorizer.group("apps").resource("deployments").namespace("a").check("delete").allowed()

Authorisers belong to the event loop, expressions run in threads: `authorize` brings each question over.
Source: k8s.io/apiserver pkg/cel/library/authz.go
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from master.api.auth.protocol import Attributes, Decision, UserInfo
from master.api.cel.declarations import Overload, define
from master.api.cel.errors import EvaluationError
from master.api.cel.types import opaque

#: Asks the authorisers; may be called from any thread.
Authorize = Callable[[Attributes], Decision]

_PREFIX = "kubernetes.authorization"
AUTHORIZER = opaque(f"{_PREFIX}.Authorizer")
RESOURCE_CHECK = opaque(f"{_PREFIX}.ResourceCheck")
#: Kubernetes' cost of one question.
_CHECK_COST = 350_000


@dataclass(frozen=True, slots=True)
class ExpressionAuthorizer:
    user: UserInfo
    ask: Authorize


@dataclass(frozen=True, slots=True)
class PathCheck:
    authorizer: ExpressionAuthorizer
    path: str


@dataclass(frozen=True, slots=True)
class GroupCheck:
    authorizer: ExpressionAuthorizer
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resource:
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class ResourceCheck:
    """A question about a resource, not yet asked."""

    __slots__ = ("about", "authorizer")

    def __init__(
        self,
        authorizer: ExpressionAuthorizer,
        *,
        group: str,
        resource: str,
        subresource: str = "",
        namespace: str = "",
        name: str = "",
    ) -> None:
        self.authorizer = authorizer
        self.about = _Resource(group=group, resource=resource, subresource=subresource, namespace=namespace, name=name)

    def but(self, **changes: str) -> "ResourceCheck":
        made = ResourceCheck(self.authorizer, group=self.about.group, resource=self.about.resource)
        made.about = replace(self.about, **changes)
        return made


@dataclass(frozen=True, slots=True)
class CheckDecision:
    decision: Decision


def _path(authorizer: ExpressionAuthorizer, path: str) -> PathCheck:
    if not path:
        raise EvaluationError("path must not be empty")
    return PathCheck(authorizer, path)


def _service_account(authorizer: ExpressionAuthorizer, namespace: str, name: str) -> ExpressionAuthorizer:
    if not namespace or not name:
        raise EvaluationError("Invalid service account name or namespace")
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return ExpressionAuthorizer(UserInfo(f"system:serviceaccount:{namespace}:{name}", groups=groups), authorizer.ask)


def _check_path(check: PathCheck, verb: str) -> CheckDecision:
    return CheckDecision(check.authorizer.ask(Attributes(check.authorizer.user, verb, path=check.path)))


def _check_resource(check: ResourceCheck, verb: str) -> CheckDecision:
    about = check.about
    attributes = Attributes(
        check.authorizer.user,
        verb,
        group=about.group,
        version="*",
        resource=about.resource,
        subresource=about.subresource,
        namespace=about.namespace,
        name=about.name,
    )
    return CheckDecision(check.authorizer.ask(attributes))


def _cost(_arguments: object, _result: object) -> int:
    return _CHECK_COST


_A, _G, _R = AUTHORIZER.name, f"{_PREFIX}.GroupCheck", RESOURCE_CHECK.name
_P, _D = f"{_PREFIX}.PathCheck", f"{_PREFIX}.Decision"
OVERLOADS: tuple[Overload, ...] = (
    define("path", f"{_A}.(string) -> {_P}", _path),
    define("group", f"{_A}.(string) -> {_G}", GroupCheck),
    define("serviceAccount", f"{_A}.(string, string) -> {_A}", _service_account),
    define("resource", f"{_G}.(string) -> {_R}", lambda g, r: ResourceCheck(g.authorizer, group=g.group, resource=r)),
    define("subresource", f"{_R}.(string) -> {_R}", lambda check, text: check.but(subresource=text)),
    define("namespace", f"{_R}.(string) -> {_R}", lambda check, text: check.but(namespace=text)),
    define("name", f"{_R}.(string) -> {_R}", lambda check, text: check.but(name=text)),
    # Roles know no selectors: the question is the same with and without.
    define("fieldSelector", f"{_R}.(string) -> {_R}", lambda check, text: check),
    define("labelSelector", f"{_R}.(string) -> {_R}", lambda check, text: check),
    define("check", f"{_P}.(string) -> {_D}", _check_path, _cost),
    define("check", f"{_R}.(string) -> {_D}", _check_resource, _cost),
    define("allowed", f"{_D}.() -> bool", lambda found: found.decision.allowed),
    define("reason", f"{_D}.() -> string", lambda found: found.decision.reason),
    define("errored", f"{_D}.() -> bool", lambda found: False),
    define("error", f"{_D}.() -> string", lambda found: ""),
)
#: The classes of the values.
NAMES: dict[type, str] = {
    ExpressionAuthorizer: _A, GroupCheck: _G, ResourceCheck: _R, PathCheck: _P, CheckDecision: _D,
}  # fmt: skip
