"""What was measured, tied to the texts that the tests ran on."""
