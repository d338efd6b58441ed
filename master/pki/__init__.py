"""The cluster's keys and certificates: the CA, what it signs, and the files that hold them.

- `authority`: the CA's acts (issue a server, a client, a node certificate), pure.
- `node_request`: which certificate requests of nodes are acceptable, pure.
- `cluster`: the folder of files, made by `wherry-master init` and read by `run`.
- `kubeconfig`: kubectl's configuration for the administrator.

Knows nothing of the API, the broker or MQTT.
"""
