"""A launch: its parameters, what the last one left, and its summary."""
