"""Maps of scores whose every number is made up here, written as AGGREGATE writes them."""

from pathlib import Path

import netCDF4
import numpy as np
from evalflow.drawing.names import DomainEntry
from evalflow.report.spec import ReportSpec

EXTENT = (0.0, 10.0, 40.0, 50.0)
SQUARE = DomainEntry(name="square", extent=EXTENT, projection="platecarree")
LATITUDES, LONGITUDES = (values.ravel() for values in np.meshgrid(np.arange(40.5, 50), np.arange(0.5, 10)))
"""A degree apart: a point in the middle of each degree of SQUARE."""
AXES = ("step", "season", "init_hour", "point")


def write_score_maps(
    folder: Path,
    scores: dict[str, dict[str, np.ndarray]],
    p_values: dict[str, np.ndarray] | None = None,
    *,
    reference: str = "baseline-1",
    blocks: int = 12,
    stations: bool = False,
    notes: str = "",
    made_from: str = "abc",
) -> Path:
    """Write maps of T_2M at 24 h: score → source → values [points].

    Parameters
    ----------
    p_values : source → [points], of all scores
    """
    sources = list(next(iter(scores.values())))
    folder.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(folder / "score_maps.nc", "w") as file:
        axes = {"source": sources, "season": ["all"], "init_hour": ["all"]}
        for name, values in axes.items():
            file.createDimension(name, len(values))
            file.createVariable(name, str, (name,))[:] = np.array(values, object)
        file.createDimension("step", 1)
        file.createVariable("step", "f8", ("step",))[:] = 24.0
        file.createDimension("point", LATITUDES.size)
        file.createVariable("latitude", "f8", ("point",))[:] = LATITUDES
        file.createVariable("longitude", "f8", ("point",))[:] = LONGITUDES
        file.createVariable("T_2M.n", "i4", AXES)[:] = 40
        file.createVariable("T_2M.blocks", "i4", AXES[:-1])[:] = blocks
        for score, of_source in scores.items():
            variable = file.createVariable(f"T_2M.{score}", "f4", ("source", *AXES))
            variable.units = "K"
            chance = file.createVariable(f"T_2M.{score}.p_value", "f4", ("source", *AXES))
            chance[:] = np.nan
            for place, source in enumerate(sources):
                variable[place, 0, 0, 0] = of_source[source]
                if p_values and source in p_values:
                    chance[place, 0, 0, 0] = p_values[source]
        about = {"truth": "analyses", "at_stations": int(stations), "reference": reference}
        file.setncatts(about | {"notes": notes, "made_from": made_from})
    return folder / "score_maps.nc"


def with_maps(spec: ReportSpec, *domains: DomainEntry) -> ReportSpec:
    """Return what the plan says where the config asks for maps."""
    return spec.model_copy(update={"map_domains": list(domains or [SQUARE])})
