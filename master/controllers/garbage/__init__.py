"""The garbage collector's parts: the graph of owners and dependents."""
