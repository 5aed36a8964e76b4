"""The pages on which people decide: drawn from the tables of scores, into the experiment's folder of results."""
