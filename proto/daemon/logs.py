"""Structured logs to standard error: one line, level, logger, message, then key=value fields.

Use `logging.getLogger(__name__)` and pass fields by `extra={"pod": …, "node": …}`. Never pass a secret.
"""

import json
import logging
import sys
from typing import Any

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{record.levelname[0]} {record.name}: {record.getMessage()}"
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if fields:
            line += " " + " ".join(f"{key}={_value(value)}" for key, value in fields.items())
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class _TimedFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d} {super().format(record)}"


def _value(value: Any) -> str:
    text = str(value)
    return json.dumps(text) if not text or any(c in text for c in ' "=\n\t') else text


def configure(level: str = "INFO", *, under_journal: bool = False) -> None:
    """Set up the root logger once at start. Under systemd's journal lines carry no time of their own."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter() if under_journal else _TimedFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
