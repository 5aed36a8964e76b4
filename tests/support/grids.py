"""Grids that the tests of mapping, domains and regions share, and distances by a formula of their own."""

import numpy as np
from evalflow.fields.grids import EARTH_RADIUS_KM, Grid


def lat_lon(latitudes, longitudes, **parts) -> Grid:
    north, east = np.meshgrid(latitudes, longitudes, indexing="ij")
    return Grid(north, east, "regular", north.shape, **parts)


def global_grid(step: float, *, poles: bool = True) -> Grid:
    edge = 90 if poles else 90 - step / 2
    return lat_lon(np.linspace(edge, -edge, round(2 * edge / step) + 1), np.arange(0, 360, step))


def scattered(count: int, seed: int = 0, box=(-180, 180, -90, 90), kind="unstructured") -> Grid:
    west, east, south, north = box
    random = np.random.default_rng(seed)
    sines = random.uniform(np.sin(np.radians(south)), np.sin(np.radians(north)), count)
    return Grid(np.degrees(np.arcsin(sines)), random.uniform(west, east, count), kind)


def projected(rows: int, columns: int, km: float, centre=(46.8, 8.2)) -> Grid:
    """A grid in an azimuthal equidistant projection, by its formulas (Snyder 1987, 25-14 and 25-15)."""
    y, x = np.meshgrid(
        (np.arange(rows) - (rows - 1) / 2) * km, (np.arange(columns) - (columns - 1) / 2) * km, indexing="ij"
    )
    rho = np.hypot(x, y)
    c, phi1 = rho / EARTH_RADIUS_KM, np.radians(centre[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        sine = np.cos(c) * np.sin(phi1) + np.where(rho > 0, y * np.sin(c) * np.cos(phi1) / rho, 0)
    east = np.arctan2(x * np.sin(c), rho * np.cos(phi1) * np.cos(c) - y * np.sin(phi1) * np.sin(c))
    return Grid(np.degrees(np.arcsin(sine)), centre[1] + np.degrees(east), "projected", (rows, columns))


def haversine_km(one: Grid, other: Grid) -> np.ndarray:
    """Distances [one.size, other.size] in km."""
    p1, l1 = np.radians(one.latitudes)[:, None], np.radians(one.longitudes)[:, None]
    p2, l2 = np.radians(other.latitudes)[None], np.radians(other.longitudes)[None]
    h = np.sin((p2 - p1) / 2) ** 2 + np.cos(p1) * np.cos(p2) * np.sin((l2 - l1) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(h.clip(0, 1)))
