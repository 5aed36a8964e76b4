"""The headline: the RMSE of each source at two lead times, the best one marked."""

from collections import Counter

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


def _names(rows: list[dict]) -> list[str]:
    """Return the label of each row, with the source's id where several sources have one label."""
    count = Counter(row["label"] for row in rows)
    return [row["label"] if count[row["label"]] == 1 else f"{row['label']} ({row['source']})" for row in rows]


def find_headline(scores: pa.Table) -> list[Headline]:
    """Return the headline of scores: per truth and param, at two lead times of most sources."""
    rows = _whole(scores).to_pylist()
    found = []
    for truth, param in dict.fromkeys((row["truth"], row["param"]) for row in rows):
        here = [row for row in rows if (row["truth"], row["param"]) == (truth, param)]
        at = {hours: [row for row in here if row["lead_time"] == hours] for hours in {row["lead_time"] for row in here}}
        most = max(len(some) for some in at.values())
        for hours in _two_of(sorted(hours for hours, some in at.items() if len(some) == most)):
            values = {name: row["value"] for name, row in zip(_names(at[hours]), at[hours], strict=True)}
            # One that is compared on fewer init times has another RMSE for that alone.
            fair = {name for name, row in zip(_names(at[hours]), at[hours], strict=True) if row["sample"] == "common"}
            best = min(fair or values, key=lambda name: (values[name], name))
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
