"""coverage.py's HTML report, put together from pages that each stand by themselves."""
