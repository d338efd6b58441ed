"""Graceful node shutdown: the host's shutdown waits until the pods have ended, the less important first.

    logind ─► manager ─► plan (who, in which order, how long) ─► the pods' workers end them ─► logind may go on
https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/
"""
