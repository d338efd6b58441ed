"""What agent.stats is asked about: this node's pods and containers."""
