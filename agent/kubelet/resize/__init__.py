"""In-place resize: what a running container's limits become, and when. `resizer` is what the pod worker asks."""
