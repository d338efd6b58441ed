"""The API's verbs over the store and the watch cache, generic over declared kinds, below HTTP."""
