"""DynamicAdmission: what the registry calls for each write, and for each connection to a pod, after the in-tree plugins.

dynamic.concerns(request)                    # False: nothing is configured (nearly always)
run = dynamic.begin(request, options)
changed = await run.mutate(view, refine)     # twice when the first changed something
await run.validate(view)
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry

from master.api.admission.dynamic.attributes import Attributes, GroupVersionKind
from master.api.admission.dynamic.compiled import Compiled
from master.api.admission.dynamic.context import Context
from master.api.admission.dynamic.equivalents import EquivalentKinds
from master.api.admission.dynamic.policies.dispatch import PolicyDispatcher
from master.api.admission.dynamic.policies.params import Params
from master.api.admission.dynamic.policies.policy import Binding, Policy, bindings_of, policies_of
from master.api.admission.dynamic.webhooks.call import Caller
from master.api.admission.dynamic.webhooks.dispatch import Matcher, MutatingRun, Refine, validate
from master.api.admission.dynamic.webhooks.hook import Hook, hooks_of
from master.api.admission.dynamic.webhooks.metrics import WebhookMetrics
from master.api.admission.protocol import AdmissionRequest
from master.api.auth.authorization import Authorization
from master.api.kinds.kind import Kind
from master.api.webhook.client import WebhookClient
from master.client.protocol import Json, ResourceRef
from master.store.cache import WatchCache

_GROUP = "admissionregistration.k8s.io"
_PREFIX = f"/registry/{_GROUP}/"


class DynamicAdmission:
    """`kinds`: all that are served; `find`: one of them."""

    def __init__(
        self,
        cache: WatchCache,
        *,
        kinds: Iterable[Kind],
        find: Callable[[ResourceRef], Kind | None],
        authorization: Authorization,
        client: WebhookClient,
        metrics: CollectorRegistry,
    ) -> None:
        self._mutating: Compiled[Hook] = Compiled(cache, f"{_PREFIX}mutatingwebhookconfigurations/", hooks_of)
        self._validating: Compiled[Hook] = Compiled(cache, f"{_PREFIX}validatingwebhookconfigurations/", hooks_of)
        self._policies: Compiled[Policy] = Compiled(cache, f"{_PREFIX}validatingadmissionpolicies/", policies_of)
        self._bindings: Compiled[Binding] = Compiled(cache, f"{_PREFIX}validatingadmissionpolicybindings/", bindings_of)
        self._bound: tuple[Sequence[Binding], Mapping[str, Sequence[Binding]]] = ((), {})
        self.context = Context(cache, authorization)
        self.equivalents = EquivalentKinds(kinds, find)
        self.caller = Caller(client, self.equivalents)
        self.matcher = Matcher(self.context, self.equivalents, self.caller)
        self.policies = PolicyDispatcher(self.context, self.equivalents, self.caller, Params(cache, kinds))
        self.metrics = WebhookMetrics(metrics)
        #: False while the master writes what every cluster has, at its start: a webhook may run in this very cluster, and one
        #: that is away or refuses must not keep the API from coming up, or nobody could mend it.
        self.active = False

    def concerns(self, request: AdmissionRequest) -> bool:
        """Whether anything is configured that may want to see an operation."""
        if not self.active or request.resource.group == _GROUP:
            return False  # no mistake in a configuration may keep it from being mended
        return bool(self._mutating.all() or self._validating.all() or self._policies.all())

    def begin(self, request: AdmissionRequest, options: Json | None) -> "DynamicRun":
        """The run of one operation, with what is configured now."""
        return DynamicRun(self, request, options, self._mutating.all(), self._validating.all())

    async def ask_policies(self, attributes: Attributes) -> None:
        """Raises StatusError of the first policy that denies."""
        policies = self._policies.all()
        if policies:
            await self.policies.validate(policies, self._bindings_by_policy(), attributes)

    def _bindings_by_policy(self) -> "Mapping[str, Sequence[Binding]]":
        found = self._bindings.all()
        if found is not self._bound[0]:
            by_policy: dict[str, list[Binding]] = {}
            for binding in found:
                by_policy.setdefault(binding.policy, []).append(binding)
            self._bound = (found, by_policy)
        return self._bound[1]


class DynamicRun:
    """One operation on its way through dynamic admission."""

    def __init__(
        self,
        admission: DynamicAdmission,
        request: AdmissionRequest,
        options: Json | None,
        mutating: "Iterable[Hook]",
        validating: "Iterable[Hook]",
    ) -> None:
        self._admission = admission
        self._request = request
        self._options = options
        self._validating = tuple(validating)
        self._mutating = MutatingRun(
            tuple(mutating), admission.matcher, admission.caller, admission.equivalents, admission.metrics
        )

    async def mutate(self, obj: Json | None, refine: Refine) -> Json | None:
        """The object as webhooks changed it, or None when none did. Raises StatusError.

        `obj`: what the client wants, in the form in which it sends it; None for DELETE. It is not changed.
        """
        return await self._mutating.run(self._attributes(obj), refine)

    async def validate(self, obj: Json | None) -> None:
        """`obj`: as it is going to be stored. Raises StatusError of whoever refuses."""
        admission, attributes = self._admission, self._attributes(obj)
        await admission.ask_policies(attributes)
        await validate(self._validating, attributes, admission.matcher, admission.caller, admission.metrics)

    def _attributes(self, obj: Json | None) -> Attributes:
        request = self._request
        shown = obj or request.old or {}
        is_namespace = (request.resource.group, request.resource.plural) == ("", "namespaces")
        return Attributes(
            operation=request.operation,
            resource=request.resource,
            subresource=request.subresource,
            kind=GroupVersionKind.of(shown.get("apiVersion") or "", shown.get("kind") or ""),
            namespace=request.name if is_namespace and request.operation != "CREATE" else request.namespace,
            name=request.name,
            object=obj,
            old=request.old,
            options=self._options,
            user=request.user,
            dry_run=request.dry_run,
            warn=request.warn,
        )
