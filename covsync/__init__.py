"""Coverage gate for every commit, coverage record in the project's own git repository.

pytest shall not warn that this is imported before the plugin is: PYTEST_DONT_REWRITE
"""

__version__ = "0.1.0"
