"""Sources and truths as the plan names them, and how they are opened."""
