"""Pure: what was measured and what was asked for in, findings out."""
