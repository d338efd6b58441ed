"""The only place where topic strings exist.

    wherry/<cluster>/shared/leader                          Leader            retained   master → all
    wherry/<cluster>/shared/index                           DesiredIndex      retained   master → all
    wherry/<cluster>/shared/objects/<resource>/<ns>/<name>  ObjectOrder       retained   master → all
    wherry/<cluster>/nodes/<user>/down/leader               Leader                       master → node: say all again
    wherry/<cluster>/nodes/<user>/down/node                 NodeOrder         retained   master → node
    wherry/<cluster>/nodes/<user>/down/index                DesiredIndex      retained   master → node
    wherry/<cluster>/nodes/<user>/down/objects/…            ObjectOrder       retained   master → node
    wherry/<cluster>/nodes/<user>/down/streams/<id>         Stream*                      master → node
    wherry/<cluster>/nodes/<user>/up/hello|heartbeat|offline|status|pods|mirrors|events  node → master
    wherry/<cluster>/nodes/<user>/up/streams/<id>           Stream*                      node → master

<user> is the certificate's common name (`system:node:<name>`), so that the broker's pattern ACL can use %u: a node reads
`shared/#` and its own `down/#`, and writes its own `up/#`. A pod's <name> in a topic is its uid: a new pod of the same
name is a new object. Cluster-scoped objects have `-` for a namespace (no namespace can be called so).
"""

import re
from dataclasses import dataclass

ROOT = "wherry"
NODE_USER_PREFIX = "system:node:"
_CLUSTER_SCOPE = "-"
_SAFE_LEVEL = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._:]{0,269}\Z")


def _level(value: str) -> str:
    """A topic level that can hold no wildcard and no separator (CVE-2017-7650). Raises ValueError."""
    if not _SAFE_LEVEL.match(value):
        raise ValueError(f"{value!r} cannot be a topic level")
    return value


def node_user(node: str) -> str:
    """The user name (certificate common name) of a node."""
    return NODE_USER_PREFIX + node


@dataclass(frozen=True, slots=True)
class ObjectTopic:
    """What an object topic names. `node` is empty for shared state."""

    node: str
    resource: str
    namespace: str
    name: str


class Topics:
    """Topics of one cluster."""

    def __init__(self, cluster: str) -> None:
        self._base = f"{ROOT}/{_level(cluster)}"
        self.leader = f"{self._base}/shared/leader"
        self.shared_index = f"{self._base}/shared/index"
        #: What every agent subscribes to beside its own `node_filter`.
        self.shared_filter = f"{self._base}/shared/#"
        #: What the master subscribes to.
        self.up_filter = f"{self._base}/nodes/+/up/#"

    def shared_object(self, resource: str, namespace: str, name: str) -> str:
        return f"{self._base}/shared/objects/{self._object(resource, namespace, name)}"

    def node_filter(self, node: str) -> str:
        return f"{self._node(node)}/down/#"

    def node_leader(self, node: str) -> str:
        """Where a leader speaks to one node alone."""
        return f"{self._node(node)}/down/leader"

    def node_order(self, node: str) -> str:
        return f"{self._node(node)}/down/node"

    def node_index(self, node: str) -> str:
        return f"{self._node(node)}/down/index"

    def node_object(self, node: str, resource: str, namespace: str, name: str) -> str:
        return f"{self._node(node)}/down/objects/{self._object(resource, namespace, name)}"

    def stream_down(self, node: str, stream: str) -> str:
        return f"{self._node(node)}/down/streams/{_level(stream)}"

    def stream_up(self, node: str, stream: str) -> str:
        return f"{self._node(node)}/up/streams/{_level(stream)}"

    def up(self, node: str, what: str) -> str:
        """`what`: hello, heartbeat, offline, status, pods, mirrors or events."""
        return f"{self._node(node)}/up/{_level(what)}"

    def parse_up(self, topic: str) -> tuple[str, str, str] | None:
        """(node, what, stream id or "") of a topic under `up_filter`; None for one that is none of ours."""
        levels = self._below_base(topic)
        if len(levels) < 4 or levels[0] != "nodes" or levels[2] != "up":
            return None
        if not levels[1].startswith(NODE_USER_PREFIX):
            return None
        node = levels[1].removeprefix(NODE_USER_PREFIX)
        if levels[3] == "streams":
            return (node, "streams", levels[4]) if len(levels) == 5 else None
        return (node, levels[3], "") if len(levels) == 4 else None

    def parse_object(self, topic: str) -> ObjectTopic | None:
        """The object that an object topic names, shared or a node's; None for any other topic."""
        levels = self._below_base(topic)
        node = ""
        if levels[:1] == ["shared"]:
            levels = levels[1:]
        elif len(levels) > 3 and levels[0] == "nodes" and levels[2] == "down":
            node = levels[1].removeprefix(NODE_USER_PREFIX)
            levels = levels[3:]
        else:
            return None
        if len(levels) != 4 or levels[0] != "objects":
            return None
        _, resource, namespace, name = levels
        return ObjectTopic(node, resource, "" if namespace == _CLUSTER_SCOPE else namespace, name)

    def acl_patterns(self) -> list[str]:
        """Lines of mosquitto's ACL file that give each node its own topics and the shared ones, nothing else."""
        return [
            f"pattern read {self._base}/shared/#",
            f"pattern read {self._base}/nodes/%u/down/#",
            f"pattern write {self._base}/nodes/%u/up/#",
        ]

    def acl_master(self, user: str) -> list[str]:
        """Lines of mosquitto's ACL file that give a master the whole tree of its cluster."""
        return [f"user {user}", f"topic readwrite {self._base}/#"]

    def _node(self, node: str) -> str:
        return f"{self._base}/nodes/{_level(node_user(node))}"

    def _object(self, resource: str, namespace: str, name: str) -> str:
        return f"{_level(resource)}/{_level(namespace) if namespace else _CLUSTER_SCOPE}/{_level(name)}"

    def _below_base(self, topic: str) -> list[str]:
        prefix = self._base + "/"
        return topic.removeprefix(prefix).split("/") if topic.startswith(prefix) else []
