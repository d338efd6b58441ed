"""The command line: `wherry-master init | run | token`.

- `arguments`: the flags, as settings.
- `init`: keys, certificates, kubeconfig, settings file.
- `token`: bootstrap tokens, through the API.

Each command returns an exit code; an error that the operator can mend is one line on standard error.
"""

import sys
from collections.abc import Sequence

from master.cli import arguments
from master.cli.errors import CommandError
from master.pki.files import PkiError
from proto.daemon.settings import InvalidSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    parsed = arguments.parse(sys.argv[1:] if argv is None else argv)
    try:
        code: int = parsed.command(parsed)
    except (CommandError, InvalidSettings, PkiError) as error:
        print(f"wherry-master: {error}", file=sys.stderr)
        return 1
    return code
