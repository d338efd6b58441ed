"""`wherry-master run`."""

import argparse

from proto.daemon.imports import leave_out_what_nobody_uses
from proto.daemon.memory import bound_arenas


def run(parsed: argparse.Namespace) -> int:
    """Run the master until it is told to stop; the exit code."""
    leave_out_what_nobody_uses()
    bound_arenas()
    # Imported here: `init` and `token` start in a fraction of the time without the API and its schemas.
    from master import app

    return app.main(parsed.load_settings(parsed))
