#!/usr/bin/env python3
"""Write the demo's analyses: NCL's `*storm.cdf` files (Debian package libncarg-data) become one GRIB2 file.

The source holds 64 analyses over North America on a regular grid of 33 latitudes (1.25 degrees) by 36 longitudes
(2.5 degrees), with the blizzard of January 1996. It names neither the level of the temperature and of the wind nor the
times: temperature is taken as 2t, wind as 10u and 10v, and times are nominal, six hours apart, the first at
1996-01-05T00. The corners of the grid are masked; the box without masked points (22 longitudes) is kept.

Needs click, eccodes, netCDF4 and numpy.
"""

import datetime as dt
import os
from pathlib import Path
from typing import NamedTuple

import click
import eccodes
import netCDF4
import numpy as np

DEBIAN_FOLDER = "/usr/share/ncarg/data/cdf"
NOMINAL_START = dt.datetime(1996, 1, 5)
TIMESTEP = dt.timedelta(hours=6)
WHOLE_COLUMNS = slice(7, 29)  # the longitudes at which no latitude is masked


class Channel(NamedTuple):
    """One variable of the demo: its source file, its GRIB short name and its pressure level in hPa, if it has one."""

    file_stem: str
    short_name: str
    level: int | None


CHANNELS = (
    Channel("Pstorm", "msl", None),  # Pa
    Channel("Tstorm", "2t", None),  # K
    Channel("Ustorm", "10u", None),  # m s-1
    Channel("Vstorm", "10v", None),  # m s-1
    Channel("U500storm", "u", 500),  # m s-1
    Channel("V500storm", "v", 500),  # m s-1
)


class Analyses(NamedTuple):
    """All analyses of the source, rows from north to south.

    Attributes
    ----------
    values : (time, channel, latitude, longitude), float32, units as in CHANNELS, NaN where missing
    latitudes : degrees north, descending
    longitudes : degrees east, ascending
    """

    values: np.ndarray
    latitudes: np.ndarray
    longitudes: np.ndarray


def read_analyses(folder: Path) -> Analyses:
    """Read the six `*storm.cdf` files in `folder`.

    Raises
    ------
    click.ClickException
        Where a file is missing or cannot be read, or the files do not agree on their shape.
    """
    fields = []
    for channel in CHANNELS:
        path = folder / f"{channel.file_stem}.cdf"
        if not path.is_file():
            hint = f"apt-get install libncarg-data puts it into {DEBIAN_FOLDER}"
            raise click.ClickException(f"{path}: no such file; {hint}")
        try:
            with netCDF4.Dataset(path) as dataset:
                variable = next(variable for variable in dataset.variables.values() if variable.ndim == 3)
                fields.append(np.ma.filled(variable[:, ::-1, WHOLE_COLUMNS], np.nan))
                latitudes = np.asarray(dataset["lat"][::-1], dtype="f8")
                longitudes = np.asarray(dataset["lon"][WHOLE_COLUMNS], dtype="f8")
        except (OSError, IndexError, StopIteration) as error:
            raise click.ClickException(f"{path}: not one of NCL's storm files: {error}") from None
    if len({field.shape for field in fields}) != 1:
        raise click.ClickException(f"{folder}: the storm files differ in shape")
    return Analyses(np.stack(fields, axis=1), latitudes, longitudes)


def nominal_time(index: int) -> dt.datetime:
    """Return the nominal time (UTC) of the analysis number `index`, which counts from 0."""
    return NOMINAL_START + index * TIMESTEP


def encode_field(
    channel: Channel, time: dt.datetime, values: np.ndarray, latitudes: np.ndarray, longitudes: np.ndarray
) -> bytes:
    """Return one field (latitude, longitude) as a GRIB2 message, packed with 16 bits per value."""
    sample = "regular_ll_sfc_grib2" if channel.level is None else "regular_ll_pl_grib2"
    keys = {
        "centre": "kwbc",
        "dataDate": int(f"{time:%Y%m%d}"),
        "dataTime": int(f"{time:%H%M}"),
        "Ni": len(longitudes),
        "Nj": len(latitudes),
        "latitudeOfFirstGridPointInDegrees": float(latitudes[0]),
        "latitudeOfLastGridPointInDegrees": float(latitudes[-1]),
        "longitudeOfFirstGridPointInDegrees": float(longitudes[0]) % 360,
        "longitudeOfLastGridPointInDegrees": float(longitudes[-1]) % 360,
        "iDirectionIncrementInDegrees": float(longitudes[1] - longitudes[0]),
        "jDirectionIncrementInDegrees": float(latitudes[0] - latitudes[1]),
    }
    if channel.level is not None:
        keys["level"] = channel.level
    # The short name comes after the level: for 2t and the 10 m wind it sets the level itself.
    keys |= {"shortName": channel.short_name, "bitsPerValue": 16, "packingType": "grid_simple"}
    handle = eccodes.codes_grib_new_from_samples(sample)
    try:
        for key, value in keys.items():
            eccodes.codes_set(handle, key, value)
        eccodes.codes_set_values(handle, values.astype("f8").ravel())
        return eccodes.codes_get_message(handle)
    finally:
        eccodes.codes_release(handle)


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=DEBIAN_FOLDER)
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path), default="blizzard-1996-01.grib")
@click.option("--first", type=click.IntRange(min=0), default=38, show_default=True, help="First analysis, from 0.")
@click.option("--last", type=click.IntRange(min=0), default=62, show_default=True, help="Last analysis, included.")
def main(folder: Path, output: Path, first: int, last: int) -> None:
    analyses = read_analyses(folder)
    asked = f"--first {first} --last {last}"
    if not first <= last < len(analyses.values):
        raise click.UsageError(f"{asked}: the source holds analyses 0 to {len(analyses.values) - 1}")
    messages = []
    for index in range(first, last + 1):
        for channel, values in zip(CHANNELS, analyses.values[index], strict=True):
            if np.isnan(values).any():
                raise click.UsageError(f"{asked}: {channel.file_stem} has missing values in analysis {index}")
            time = nominal_time(index)
            messages.append(encode_field(channel, time, values, analyses.latitudes, analyses.longitudes))
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    temporary.write_bytes(b"".join(messages))
    temporary.replace(output)
    print(f"{output}: {len(messages)} fields, {nominal_time(first):%Y-%m-%dT%H} to {nominal_time(last):%Y-%m-%dT%H}")


if __name__ == "__main__":
    main()
