"""The headline: the RMSE of each source at two lead times, the best one marked."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evalflow.verification.aggregated import Headline


def _whole(scores: pa.Table) -> pa.Table:
    """Return the rows of RMSE at the grid over everything."""
    wanted = {"metric": "RMSE", "region": "all", "season": "all", "init_hour": "all", "valid_hour": "all"}
    mask = pc.equal(scores["scale"], 0.0)
    for name, value in wanted.items():
        mask = pc.and_(mask, pc.equal(scores[name].cast(pa.string()), value))
    mask = pc.and_(mask, pc.is_null(scores["case"].cast(pa.string())))
    return scores.filter(pc.and_(mask, pc.is_valid(scores["value"])))


def _two_of(lead_times: list[float]) -> list[float]:
    """Return the lead time in the middle and the last one, not the start where there are others."""
    later = [hours for hours in lead_times if hours > 0] or lead_times
    return list(dict.fromkeys([later[(len(later) - 1) // 2], later[-1]]))


def find_headline(scores: pa.Table) -> list[Headline]:
    """Return the headline of a table of scores: per truth and param, at two lead times that most sources have."""
    rows = _whole(scores).to_pylist()
    found = []
    for truth, param in dict.fromkeys((row["truth"], row["param"]) for row in rows):
        here = [row for row in rows if (row["truth"], row["param"]) == (truth, param)]
        at = {hours: [row for row in here if row["lead_time"] == hours] for hours in {row["lead_time"] for row in here}}
        most = max(len(some) for some in at.values())
        for hours in _two_of(sorted(hours for hours, some in at.items() if len(some) == most)):
            values = {row["label"]: row["value"] for row in at[hours]}
            best = min(values, key=lambda label: (values[label], label))
            found.append(
                Headline(
                    truth=truth,
                    param=param,
                    units=at[hours][0]["units"],
                    lead_time=hours,
                    values=values,
                    best=best,
                    days=int(np.max([row["n_days"] for row in at[hours]])),
                )
            )
    return found
