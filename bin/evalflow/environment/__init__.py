"""Environments: checkpoint, lock, image, seal; and how an image is made visible."""
