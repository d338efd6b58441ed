"""What pods and the node use: read from cgroups, /proc and file systems when somebody asks, never by polling.

`collector` gives samples; the kubelet (pressure eviction), the agent's server (/stats/summary, /metrics/resource) and the
master (metrics.k8s.io) ask it. Whose usage is to be read, the kubelet says (`targets`). Nothing here knows the engine.
"""
