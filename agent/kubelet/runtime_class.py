"""Which OCI runtime of the engine a pod's RuntimeClass names. Pure. Used for its sandbox and its containers.

https://kubernetes.io/docs/concepts/containers/runtime-class/ ; a class' handler is the name of one of Docker's runtimes.
"""

from collections.abc import Collection, Mapping

from lightkube.models.core_v1 import Pod
from lightkube.resources.node_v1 import RuntimeClass

from agent.kubelet.pods import spec_of


class NoRuntime(Exception):
    """The pod cannot run here; the message is Kubernetes'."""


def runtime_handler(pod: Pod, classes: Mapping[str, RuntimeClass], *, runtimes: Collection[str]) -> str:
    """ "" for the engine's default. runtimes: the engine's; none while it has not told. Raises NoRuntime."""
    name = spec_of(pod).runtimeClassName
    if not name:
        return ""
    found = classes.get(name)
    if found is None:
        raise NoRuntime(f'RuntimeClass.node.k8s.io "{name}" not found')
    if found.handler and runtimes and found.handler not in runtimes:
        problem = f'failed to get sandbox runtime: no runtime for "{found.handler}" is configured'
        raise NoRuntime(f"rpc error: code = Unknown desc = {problem}")
    return found.handler
