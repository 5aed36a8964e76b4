"""Fields that cannot be right."""

import numpy as np
import pytest
from evalflow.fields.params import param_named
from evalflow.fields.quality import problem_with_field

NAN = np.nan


@pytest.mark.parametrize(
    ("param", "values", "problem"),
    [
        ("T_2M", [280, 281, NAN], None),
        ("T_2M", [NAN, NAN], "every value is missing"),
        ("T_2M", [20, 21], "20 K is out of range (150 to 350 K): is its unit another one? The key `units` says it"),
        (
            "T_2M",
            [280, np.inf],
            "inf K is out of range (150 to 350 K): is its unit another one? The key `units` says it",
        ),
        ("T_2M", [280, 280], "it is 280 K everywhere"),
        ("T_2M", [280], None),  # one station
        ("TOT_PREC6", [0, 0], None),
        ("TOT_PREC6", [0, 12_000], "12000 kg m-2 is out of range (0 to 1225 kg m-2)"),  # mm taken for m
        ("PS", [990, 1010], "990 Pa is out of range"),
        ("CLCT", [0, 100], None),
    ],
)
def test_what_is_wrong_with_a_field(param, values, problem):
    found = problem_with_field(np.array(values, dtype=np.float32), param_named(param))
    assert found == problem if problem is None else found.startswith(problem)
