"""Small GRIB messages, made key by key with ecCodes' samples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from evalflow.fields.grib.codes import eccodes

COLUMNS, ROWS = 4, 3
LATITUDES = np.repeat([52.0, 51.0, 50.0], COLUMNS)
LONGITUDES = np.tile([-2.0, -1.0, 0.0, 1.0], ROWS)
"""Where the points of the small grid are."""
SMALL = {
    "Ni": COLUMNS, "Nj": ROWS, "latitudeOfFirstGridPointInDegrees": 52, "latitudeOfLastGridPointInDegrees": 50,
    "longitudeOfFirstGridPointInDegrees": 358, "longitudeOfLastGridPointInDegrees": 1,
    "iDirectionIncrementInDegrees": 1, "jDirectionIncrementInDegrees": 1,
}  # fmt: skip
DATE = {"dataDate": 20240110, "dataTime": 0}
T_2M = {"shortName": "2t"}
U_10M = {"shortName": "10u"}
V_10M = {"shortName": "10v"}


def grib(
    values: Sequence[float] | np.ndarray | None = None,
    *,
    edition: int = 2,
    sample: str = "",
    packing: str = "",
    **keys: Any,
) -> bytes:
    """Return a message on a grid of 4 × 3 points, of 2024-01-10 00 UTC.

    Parameters
    ----------
    values : NaN is missing; None: 0, 1, 2, …
    edition : of GRIB
    sample : another grid's sample of ecCodes, whose own grid stays
    packing : such as `grid_ccsds`
    keys : set in their order
    """
    handle = eccodes.codes_grib_new_from_samples(sample or f"regular_ll_sfc_grib{edition}")
    try:
        for key, value in {**({} if sample else SMALL), **DATE, **keys}.items():
            eccodes.codes_set(handle, key, value)
        if edition == 2 and "numberOfDataPoints" not in keys:
            _count_points(handle)
        size = eccodes.codes_get(handle, "numberOfDataPoints", ktype=int)
        field = np.arange(size, dtype=float) if values is None else np.asarray(values, dtype=float)
        if np.isnan(field).any():
            eccodes.codes_set(handle, "bitmapPresent", 1)
        eccodes.codes_set(handle, "missingValue", 1e30)
        field = np.where(np.isnan(field), 1e30, field)
        if packing:
            eccodes.codes_set(handle, "packingType", packing)
        eccodes.codes_set_values(handle, field)
        return eccodes.codes_get_message(handle)
    finally:
        eccodes.codes_release(handle)


def _count_points(handle: int) -> None:
    """Write the number of points of a grid of rows and columns: GRIB2 has it besides Ni and Nj."""
    try:
        columns, rows = (eccodes.codes_get(handle, key, ktype=int) for key in ("Ni", "Nj"))
    except eccodes.KeyValueNotFoundError:
        return
    if eccodes.CODES_MISSING_LONG not in (columns, rows):
        eccodes.codes_set(handle, "numberOfDataPoints", columns * rows)


def on_level(name: str, level: int, **keys: Any) -> dict[str, Any]:
    """Return the keys of a field on a pressure level."""
    return {"typeOfLevel": "isobaricInhPa", "level": level, "shortName": name, **keys}


def member(number: int, of: int = 3) -> dict[str, Any]:
    """Return the keys of an ensemble member of one moment (GRIB2)."""
    return {
        "productDefinitionTemplateNumber": 1, "typeOfEnsembleForecast": 3 if number else 1,
        "perturbationNumber": number, "numberOfForecastsInEnsemble": of,
    }  # fmt: skip


def sum_of(steps: str, name: str = "tp", **keys: Any) -> dict[str, Any]:
    """Return the keys of an amount of precipitation (kg m-2) over a range of steps such as `0-6`."""
    return {"productDefinitionTemplateNumber": 8, "shortName": name, "paramId": 228228, "stepRange": steps, **keys}


def unstructured(points: int, uuid: str = "", **keys: Any) -> dict[str, Any]:
    """Return the keys of a grid without coordinates."""
    grid = {"gridType": "unstructured_grid", "numberOfDataPoints": points}
    return {**grid, **({"uuidOfHGrid": uuid.replace("-", "")} if uuid else {}), **keys}


def write(path: Path, *messages: bytes) -> Path:
    """Write messages into a file, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(messages))
    return path


def join_fields(*messages: bytes) -> bytes:
    """Return one message of GRIB2 that holds the fields of several, as some centres write them: sections 4–7 repeated."""
    first, *others = messages
    body = [first[16:-4]]
    for other in others:
        body.append(b"".join(section for section in sections(other) if section[4] >= 4))
    content = b"".join(body) + b"7777"
    return first[:8] + (16 + len(content)).to_bytes(8, "big") + content


def sections(message: bytes) -> list[bytes]:
    """Return the sections of a message of GRIB2, but for the first and the last."""
    found, start = [], 16
    while message[start : start + 4] != b"7777":
        length = int.from_bytes(message[start : start + 4], "big")
        found.append(message[start : start + length])
        start += length
    return found
