"""`wherry-master run`."""

import argparse


def run(parsed: argparse.Namespace) -> int:
    """Run the master until it is told to stop; the exit code."""
    # Imported here: `init` and `token` start in a fraction of the time without the API and its schemas.
    from master import app

    return app.main(parsed.load_settings(parsed))
