"""The node controllers' parts: conditions, taints, eviction rates, CIDRs. Pure."""
