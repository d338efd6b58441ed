"""The patch types of the API, one file each: JSON patch, JSON merge patch, strategic merge patch.

Pure functions from a document and a patch to a new document; neither is changed, and the result may share parts with both.
Called by the registry. Errors: StatusError, in the words and codes of Kubernetes' API server.
"""
