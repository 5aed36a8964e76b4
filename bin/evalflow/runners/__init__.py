"""How models are run."""
