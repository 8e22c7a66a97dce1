"""HTTP: parse, one use case, answer."""
