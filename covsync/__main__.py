"""The ``covsync`` script, and ``python -m covsync``, which does the same."""

# `from __future__` is an import too, and so comes too early.
from covsync import isolation


def entry() -> None:
    """Runs covsync with the process's arguments, and with no module of the checkout."""
    isolation.leave_out_checkout()
    from covsync import cli

    cli.entry()


if __name__ == "__main__":
    entry()
