"""Node-pressure eviction: what is short on the node, which pods go for it and what they are told.

    signals ─► pressure (thresholds, grace, conditions) ─► manager ─► ranking ─► message ─► the pod's worker ends it

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/ and pkg/kubelet/eviction.
"""
