"""What the API serves: groups, versions, resources. Read by kubectl before anything else."""
