"""Parts of the controllers of bootstrap tokens."""
