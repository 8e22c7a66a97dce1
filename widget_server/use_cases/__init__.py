"""One story each; the only code that knows two adapters."""
