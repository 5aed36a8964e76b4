"""Points: how fields get from one grid to another, and which points count."""
