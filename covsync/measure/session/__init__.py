"""What a test session ran, as its processes noted it."""
