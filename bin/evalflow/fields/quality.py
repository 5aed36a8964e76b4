"""Fields that cannot be right: found before they are scored, left out with one line each."""

import numpy as np

from evalflow.fields.params import Param


def problem_with_field(values: np.ndarray, param: Param) -> str | None:
    """Return what is wrong with a field, or None.

    It is to see the points that are used, in the param's own unit: what a file has elsewhere is
    nobody's concern.

    Parameters
    ----------
    values : float32 [n], missing is NaN
    param : what they are of
    """
    there = values[~np.isnan(values)]
    if not there.size:
        return "every value is missing"
    low, high = float(there.min()), float(there.max())
    if low < param.valid_min or high > param.valid_max:
        worst = low if low < param.valid_min else high
        allowed = f"{param.valid_min:g} to {param.valid_max:g} {param.units}"
        return f"{worst:g} {param.units} is out of range ({allowed}): is its unit another one? The key `units` says it"
    if low == high and there.size > 1 and not param.may_be_constant:
        return f"it is {low:g} {param.units} everywhere"
    return None
