"""The headline: the RMSE of each source at two lead times, the best one marked."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from evalflow.documents import Document


class Headline(Document):
    """The RMSE of all sources of one truth, param and lead time, over the whole domain and all pairs."""

    truth: str = Field(description="Label of the truth.")
    param: str = Field(description="The param.")
    units: str = Field(description="Its unit.")
    lead_time: float = Field(description="Hours.")
    values: dict[str, float] = Field(description="Label of a source → RMSE.")
    best: str = Field(description="Label of the source with the smallest.")
    days: int = Field(description="Days of data.")


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


def describe_headline(headline: list[Headline]) -> list[str]:
    """Return the headline as lines of text; the best value of each row has a star."""
    lines = []
    for truth in dict.fromkeys(one.truth for one in headline):
        here = [one for one in headline if one.truth == truth]
        labels = list(dict.fromkeys(label for one in here for label in one.values))
        head = ["RMSE against " + truth, *labels]
        rows = []
        for one in here:
            cells = [f"{one.param} [{one.units}] {one.lead_time:g} h"]
            for label in labels:
                value = one.values.get(label)
                cells.append("" if value is None else f"{value:.4g}{' *' if label == one.best else '  '}")
            rows.append(cells)
        widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
        lines += [
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            )
            for row in (head, *rows)
        ]
    return lines
