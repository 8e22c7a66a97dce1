"""The only place that ties the embedded server's life to its parent's: a script that becomes, or watches, the server.

It is run by embedded.py in a bare interpreter and imports nothing of ours. A function run between fork and exec would
do the same in fewer lines, but may deadlock in a parent with threads, and newer Pythons warn about it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
LOOK_EVERY_S = 0.2


def main(parent: int, *command: str) -> int:
    if sys.platform != "linux":
        return watch(parent, *command)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return 1  # the parent ended before the kernel knew that we want to hear of it
    return os.execv(command[0], command)


def watch(parent: int, *command: str) -> int:
    """Where no kernel tells us, look whether the parent is still there. Returns the server's exit code."""
    server = subprocess.Popen(command, close_fds=False)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    while server.poll() is None:
        if os.getppid() != parent:
            server.terminate()
        time.sleep(LOOK_EVERY_S)
    return server.returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
