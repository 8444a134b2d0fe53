"""Coverage gate for every commit, coverage record in the project's own git repository."""

__version__ = "0.1.0"
