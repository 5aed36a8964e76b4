"""The store: where everything is, and how it is written."""
