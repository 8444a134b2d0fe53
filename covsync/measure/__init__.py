"""Coverage data in, one ``Report`` out. The only part of covsync that imports coverage.py."""
