"""One pod from its order to its end. `worker` is the only one that acts; `actions` decides what is next, purely."""
