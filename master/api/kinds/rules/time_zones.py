"""Time zones by their IANA names, as a CronJob may name one (validateTimeZone).

The names are those of the host's zone database, or of the package tzdata when the host has none.
"""

import re
import zoneinfo
from functools import lru_cache

_PART = re.compile(r"[A-Za-z.\-_0-9+]{1,14}\Z")
_NO_ZONE = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"


def time_zone(name: str) -> list[str]:
    """Why a name is no time zone; an empty list when it is one."""
    if not name:
        return ["timeZone must be nil or non-empty string"]
    for part in name.split("/"):
        if part in (".", "..") or part.startswith("-") or not _PART.match(part):
            return [f"unknown time zone {name}"]
    wrong = [_NO_ZONE] if name.lower() == "local" else []
    if not _exists(name) and name != "Local":
        wrong.append(f"unknown time zone {name}")
    return wrong


@lru_cache(maxsize=1024)
def _exists(name: str) -> bool:
    try:
        # One small file, read once per name.
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
