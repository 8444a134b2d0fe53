"""``python -m covsync`` does what the ``covsync`` script does."""

from __future__ import annotations

from covsync.cli import entry

if __name__ == "__main__":
    entry()
