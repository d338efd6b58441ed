"""The Deployment controller's parts: arithmetic, revisions and conditions. Pure."""
