"""Whether the node takes a pod: kubelet's predicates and what else may refuse one, asked through `chain`."""
