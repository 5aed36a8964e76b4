"""Scores: what each one is, the sums that it is computed from, and how sure it is.

The way of a number: `sums` measures one field against the truth; `stored` keeps the sums of one
source and init time in a file; `series` lines up the sums of many init times for one param;
`aggregate` turns them into scores per stratum with the intervals of `intervals`; `table` and
`formulas` say what each score is.
"""
