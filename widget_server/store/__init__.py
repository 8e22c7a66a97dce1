"""SQL remembers: what is booked is decided here."""
