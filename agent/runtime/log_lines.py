"""Lines of a log that is followed, each passed on once. Pure; used by the Docker runtime's streams.

Docker 20.10 sends lines again to who follows a log over a rotation (seen by tests/e2e/test_images.py).
"""

_REMEMBERED = 8192


class Once:
    """Tells lines apart by their stamps, of which the last ones are kept; not by their order: the clock may be set back.

    timestamps: whether lines are passed on with theirs.
    """

    def __init__(self, *, timestamps: bool) -> None:
        self._timestamps = timestamps
        self._seen: dict[tuple[int, bytes], None] = {}
        #: By channel, the stamp of a line of which only a part has come, and whether it is passed on.
        self._partial: dict[int, tuple[bytes, bool]] = {}

    def pass_on(self, channel: int, frame: bytes) -> bytes:
        """What of the next frame goes to the reader; perhaps nothing. A frame: stamp, space, a line or 16 KiB of one."""
        stamp, _, line = frame.partition(b" ")
        started, fresh = self._partial.pop(channel, (b"", False))
        continued = started == stamp
        if not continued:
            fresh = (channel, stamp) not in self._seen
            self._remember(channel, stamp)
        if not line.endswith(b"\n"):
            self._partial[channel] = (stamp, fresh)
        if not fresh:
            return b""
        # All parts of a line carry its stamp; a reader wants it once.
        return frame if self._timestamps and not continued else line

    def _remember(self, channel: int, stamp: bytes) -> None:
        self._seen[(channel, stamp)] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
