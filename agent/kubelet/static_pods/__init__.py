"""Pods that a node runs of its own accord, from manifests in a folder, and their mirrors in the API.

    folder ─► source ─► manifest ─► the kubelet's workers        mirrors ─► master ─► mirror pod ─► back as an order
https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/
"""
