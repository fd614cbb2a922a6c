"""The ``parable`` program of the wheel: the Rust command line, in this process."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    # Python would answer Ctrl-C only once the verb is done.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from parable import _native

    sys.stdout.flush()
    sys.exit(_native.command(["parable", *sys.argv[1:]]))
