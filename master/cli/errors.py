"""What a command says when it cannot do its work."""


class CommandError(Exception):
    """An error that the operator can mend; the message says how."""
