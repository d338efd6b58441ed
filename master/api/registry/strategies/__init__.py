"""How a body changes an object: one strategy per file, for the object itself and for each subresource that is written."""
