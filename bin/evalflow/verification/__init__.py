"""Verification: every source against the truth, as sums that are stored and as scores."""
