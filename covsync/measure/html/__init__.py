"""coverage.py's HTML report, put together from pages of single files."""
