"""The family of errors that a container runtime raises; engine exceptions are translated where they enter."""


class RuntimeFailure(Exception):
    """The engine refused a request. The message is the engine's, fit for an Event."""


class RuntimeUnavailable(RuntimeFailure):
    """The engine cannot be reached (not started, restarting, out of time). Callers retry."""


class NotFound(RuntimeFailure):
    """No such container, exec or network."""


class ImageNotFound(NotFound):
    """The image is not on this host, or the registry does not have it."""


class RegistryUnavailable(RuntimeFailure):
    """The registry of an image is not there now, by its own word."""


class Conflict(RuntimeFailure):
    """A name is in use, or the object's state forbids the request (a container that does not run)."""
