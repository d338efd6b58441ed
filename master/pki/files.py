"""Key and certificate files: written whole or not at all, private ones readable by their owner alone."""

import os
import tempfile
from pathlib import Path

PRIVATE_MODE = 0o600
PUBLIC_MODE = 0o644


class PkiError(Exception):
    """Keys or certificates that cannot be read, written or used; the message names the file and what to do."""


def write(path: Path, content: bytes, *, mode: int = PRIVATE_MODE) -> None:
    """Replace `path` atomically; it never exists with other permissions than `mode`. Raises PkiError."""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                os.fchmod(stream.fileno(), mode)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PkiError(f"cannot write {path}: {error.strerror}") from error


def read(path: Path) -> bytes:
    """Raises PkiError, which tells to run `wherry-master init` when the file is missing."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PkiError(f"{path} is missing: run `wherry-master init` first") from error
    except OSError as error:
        raise PkiError(f"cannot read {path}: {error.strerror}") from error
