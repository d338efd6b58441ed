"""The last accepted orders on disk, so that a node boots and runs its pods with neither broker nor master in reach."""
