"""The subcommands: a module each, with one function that returns the exit code."""
