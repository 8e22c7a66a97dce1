"""The rooms of the operator."""
