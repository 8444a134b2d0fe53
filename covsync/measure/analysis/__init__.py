"""What coverage.py makes of each file: made by several processes, kept, and known again."""
