"""Parts of the disruption controller: what a PodDisruptionBudget counts. Pure."""
