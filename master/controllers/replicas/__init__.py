"""The ReplicaSet controller's parts: expectations, slow start, the ranking of pods to delete."""
