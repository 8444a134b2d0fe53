"""Pure: a report in, text or bytes out; a module a format."""
