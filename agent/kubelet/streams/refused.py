"""Why a stream into a pod is not opened."""


class StreamRefused(Exception):
    """The message goes to the API's caller with this HTTP code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
