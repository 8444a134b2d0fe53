"""``python -m covsync`` does what the ``covsync`` script does."""

from __future__ import annotations

import sys

from covsync.cli import main

if __name__ == "__main__":
    sys.exit(main())
