"""How the API opens a stream into a pod on a node; `master.fleet` implements it over MQTT."""

from typing import Protocol

from proto.messages import StreamOpen
from proto.stream import Stream


class NodeStreams(Protocol):
    """Streams to nodes.

    Options by kind, all as JSON:

    - logs: follow, previous, timestamps (bool), tailLines, sinceSeconds, limitBytes (int), sinceTime (RFC 3339). Lines come on
      channel 1; the stream closes at the end.
    - exec: command (list), stdin, stdout, stderr, tty (bool). Channels 0 to 2 are the standard streams, channel 4 takes
      terminal sizes ({"Width": …, "Height": …}) and channel 3 brings one metav1.Status at the end (NonZeroExitCode with an
      ExitCode cause when the command failed), as Kubernetes' remote command protocol v4 does.
    - attach: as exec, without command. Both begin with an empty frame on channel 1 when the process is joined.
    - portforward: port (int), on the pod's loopback. Channel 0 carries both directions.
    - podproxy: address (one of the pod's own, else it is refused), port (int). Channel 0 carries both directions.
    - metrics: what the node and its pods use (proto.metrics). Without a pod.
    - nodeproxy: port (int) of the node's main address, or 0 for the agent's own server. Without a pod. As podproxy.
    """

    async def open(self, node: str, request: StreamOpen) -> Stream:
        """Open a stream to a node. The caller closes it. Raises StatusError 503 when the node is not connected."""
        ...
