"""`python -m widget_server` is the same as the command `tenuto`."""

import sys

from widget_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
