"""Verification: every source against the truth, as sums that are stored and as scores."""

import os

# Arrays here are small: several threads for each product of them cost four times what one does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
