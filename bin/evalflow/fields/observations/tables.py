"""Tables of observations (Parquet, CSV) as rows: which station, when, which param, what value.

A table is tidy (`station, time, param, value[, units]`) or has a column per param. Times are UTC.
Values without units are in the param's own unit.
"""

import gzip
import re
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from evalflow.errors import UserError
from evalflow.fields.arrays.cf import Told
from evalflow.fields.params import Param, convert, find_param, param_named

# What a column is, by the names that it may have.
_ROLES = {
    "station": ("station", "station_id", "stationid", "wmo_id"),
    "time": ("time", "valid_time", "termin"),
    "param": ("param", "parameter"),
    "value": ("value",),
    "units": ("units", "unit"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon"),
    "elevation": ("elevation", "altitude", "elev"),
    "name": ("name", "stn_name"),
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names}
_NULLS = ["", "-", "--", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "none"]
_UTC = {"UTC", "GMT", "Z", "+00:00", "+0000", "-00:00", "Etc/UTC", "Zulu", "Universal"}
_ZONE = re.compile(r"(?<=\d) ?(Z|[+-]\d\d:?\d\d|[A-Z]{2,5}|[A-Za-z_]+/[A-Za-z_/]+)$")


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes
    ----------
    roles : role (station, time, …) → column
    params : canonical name → column, where there is a column per param
    """

    roles: Mapping[str, str]
    params: Mapping[str, str]

    @property
    def tidy(self) -> bool:
        """Whether each row has one param's value."""
        return "param" in self.roles and "value" in self.roles


@dataclass(frozen=True)
class Rows:
    """The rows of a table.

    Attributes
    ----------
    stations : ids
    station : int [rows], index into `stations`
    times : datetime64[us] [rows]
    values : param → (indices of rows, float32 values in the param's unit), missing ones left out
    places : float64 [rows, 3], latitude, longitude, elevation; None where the table has none
    """

    stations: list[str]
    station: np.ndarray
    times: np.ndarray
    values: Mapping[str, tuple[np.ndarray, np.ndarray]]
    places: np.ndarray | None


def columns_of(names: list[str], told: Told, where: str) -> Columns:
    """Return what the columns of a table are.

    Raises
    ------
    UserError
        Where two columns are the same thing, or `columns` names a param that is none.
    """
    roles: dict[str, str] = {}
    params: dict[str, str] = {}
    for name in names:
        meaning = told.columns.get(name, name)
        role = _ROLE_OF.get(meaning.casefold())
        if role:
            # What the config says comes before what a name is by itself.
            if role not in roles or name in told.columns:
                roles[role] = name
            continue
        param = param_named(meaning) if name in told.columns else find_param(name)
        if param is None:
            continue
        other = params.get(param.name)
        if other is not None and (other in told.columns) == (name in told.columns):
            raise UserError(f"{where}: {other} and {name} are both {param.name}; `columns` may name one of them")
        if other is None or name in told.columns:
            params[param.name] = name
    return Columns(roles, params)


def open_table(source: Path | bytes, where: str) -> pa.Table | pq.ParquetFile:
    """Return a Parquet file to read from, or the columns of a CSV, all as text.

    Parameters
    ----------
    source : a file, or the CSV itself
    where : names it in messages

    Raises
    ------
    UserError
        Where it is missing or neither.
    """
    try:
        if isinstance(source, Path):
            with open(source, "rb") as file:
                if file.read(4) == b"PAR1":
                    return pq.ParquetFile(source)
            source = source.read_bytes()
        if source.startswith(b"\x1f\x8b"):
            source = gzip.decompress(source)
        head = source.lstrip().split(b"\n", 1)[0]
        if not source.strip():
            raise UserError(f"{where}: is empty; allowed: CSV with names of columns in its first line, or Parquet")
        delimiter = max(",;\t|", key=lambda mark: head.count(mark.encode()))
        names = [name.strip().strip('"').removeprefix("\ufeff") for name in head.decode().strip().split(delimiter)]
        return pyarrow.csv.read_csv(
            pa.BufferReader(source.lstrip()),
            read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows=1),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=_NULLS, strings_can_be_null=True
            ),
        )
    except OSError as error:
        raise UserError(f"{where}: {error.strerror or error}") from None
    except (pa.ArrowInvalid, UnicodeDecodeError, EOFError, zlib.error) as error:
        raise UserError(f"{where}: is no table: {str(error).splitlines()[0]}") from None


def names_in(table: pa.Table | pq.ParquetFile) -> list[str]:
    """Return the names of the columns."""
    return list(table.schema_arrow.names if isinstance(table, pq.ParquetFile) else table.column_names)


def read_rows(
    table: pa.Table | pq.ParquetFile,
    where: str,
    told: Told,
    *,
    params: Collection[str] | None,
    period: tuple[datetime, datetime] | None,
) -> Rows:
    """Return the rows of a table.

    Parameters
    ----------
    table : as `open_table` returns it
    where : names it in messages
    told : what the config says of columns and units
    params : those to read, None: all. With none of them, places and times alone are read
    period : first and last time to read, None: all

    Raises
    ------
    UserError
        Where columns are missing, times are not UTC or no times, values no numbers, units unknown.
    """
    columns = columns_of(names_in(table), told, where)
    for role in ("station", "time"):
        if role not in columns.roles:
            raise UserError(
                f"{where}: no column {role}; allowed: station, time, param, value[, units], or a column per param; "
                "`columns` says which is which"
            )
    if not columns.tidy and not columns.params:
        raise UserError(f"{where}: no column of a param that is known; `columns` says which is which")
    wanted = {name: column for name, column in columns.params.items() if params is None or name in params}
    of_values = {"param", "value", "units"} if params is not None and not params else set()
    used = {column for role, column in columns.roles.items() if role not in of_values}
    used |= set() if columns.tidy else set(wanted.values())
    data = _read(table, sorted(used), columns.roles["time"], period)
    times = _times(data.column(columns.roles["time"]), where)
    keep = pc.is_valid(data.column(columns.roles["station"])).to_numpy()
    keep &= ~np.isnat(times)
    if period is not None:
        keep &= (times >= np.datetime64(period[0], "us")) & (times <= np.datetime64(period[1], "us"))
    data, times = data.filter(pa.array(keep)), times[keep]
    ids, station = _stations(data.column(columns.roles["station"]))
    if columns.tidy and not of_values:
        values = _tidy(data, columns, where, told, params)
    else:
        values = {name: _column(data, column, where, told, param_named(name)) for name, column in wanted.items()}
    return Rows(ids, station, times, values, _places(data, columns, where))


def _read(
    table: pa.Table | pq.ParquetFile, used: list[str], time: str, period: tuple[datetime, datetime] | None
) -> pa.Table:
    """Return columns of a table, of a Parquet file only row groups that may be of the period."""
    if not isinstance(table, pq.ParquetFile):
        return table.select(used)
    place = table.schema_arrow.get_field_index(time)
    groups = list(range(table.num_row_groups))
    kind = table.schema_arrow.field(place).type
    # With lists or structs the columns of the file and of the schema are not the same.
    if period is not None and pa.types.is_timestamp(kind) and table.metadata.num_columns == len(table.schema_arrow):
        spans = [table.metadata.row_group(group).column(place).statistics for group in groups]
        first, last = (time.replace(tzinfo=UTC) for time in period)
        groups = [
            group
            for group, span in zip(groups, spans, strict=True)
            if span is None or not span.has_min_max or (_in_utc(span.min) <= last and _in_utc(span.max) >= first)
        ]
    return table.read_row_groups(groups, columns=used)


def _in_utc(time: datetime) -> datetime:
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _stations(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    coded = pc.cast(column, pa.string()).combine_chunks().dictionary_encode()
    return [station.strip() for station in coded.dictionary.to_pylist()], coded.indices.to_numpy().astype(np.int64)


def _places(data: pa.Table, columns: Columns, where: str) -> np.ndarray | None:
    if "latitude" not in columns.roles or "longitude" not in columns.roles:
        return None
    parts = [_numbers(data.column(columns.roles[role]), where, role) for role in ("latitude", "longitude")]
    elevation = columns.roles.get("elevation")
    parts.append(_numbers(data.column(elevation), where, "elevation") if elevation else np.full(len(data), np.nan))
    return np.stack(parts, axis=-1)


def _numbers(column: pa.ChunkedArray, where: str, name: str) -> np.ndarray:
    """Return float64 values, missing ones as NaN."""
    try:
        values = pc.cast(column, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UserError(f"{where}: {name} is no column of numbers: {str(error).splitlines()[0]}") from None
    return values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)


def _times(column: pa.ChunkedArray, where: str) -> np.ndarray:
    """Return datetime64[us]. Texts are ISO times, or 12 or 14 digits."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is not None and kind.tz not in _UTC:
            raise UserError(f"{where}: times are in {kind.tz}; allowed: UTC")
        return column.cast(pa.timestamp("us"), safe=False).to_numpy()
    if pa.types.is_integer(kind):
        column = column.cast(pa.string())
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise UserError(f"{where}: times are of type {kind}; allowed: times, or texts such as 2020-01-31T06:00")
    # Few texts stand for many rows.
    coded = column.combine_chunks().dictionary_encode()
    known: list[np.datetime64] = [np.datetime64(_time(text, where), "us") for text in coded.dictionary.to_pylist()]
    known.append(np.datetime64("NaT", "us"))  # for those that are missing
    return np.array(known)[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]


def _time(text: str, where: str) -> datetime:
    plain = text.strip()
    zone = _ZONE.search(plain)
    if zone:
        if zone[1] not in _UTC:
            raise UserError(f'{where}: the time "{text}" is not in UTC; allowed: UTC')
        plain = plain[: zone.start()]
    try:
        if plain.isdigit():
            return datetime.strptime(plain, {12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}[len(plain)])
        return datetime.fromisoformat(plain)
    except (ValueError, KeyError):
        raise UserError(f'{where}: "{text}" is no time; allowed: such as 2020-01-31T06:00, in UTC') from None


def _column(data: pa.Table, column: str, where: str, told: Told, param: Param) -> tuple[np.ndarray, np.ndarray]:
    values = _numbers(data.column(column), where, column)
    rows = np.flatnonzero(np.isfinite(values))
    units = told.units_for(column, param) or param.units
    return rows, convert(values[rows], units, param, f"{where}: {column}").astype(np.float32)


def _tidy(
    data: pa.Table, columns: Columns, where: str, told: Told, params: Collection[str] | None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    coded = pc.cast(data.column(columns.roles["param"]), pa.string()).combine_chunks().dictionary_encode()
    code = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    values = _numbers(data.column(columns.roles["value"]), where, "value")
    units = _units(data, columns)
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for place, name in enumerate(coded.dictionary.to_pylist()):
        param = param_named(told.columns[name]) if name in told.columns else find_param(name)
        if param is None or (params is not None and param.name not in params):
            continue
        rows = np.flatnonzero((code == place) & np.isfinite(values))
        part = np.empty(rows.size, dtype=np.float32)
        for unit in set(units[rows]) if units is not None else {None}:
            which = slice(None) if units is None else units[rows] == unit
            said = told.units_for(name, param) or unit or param.units
            part[which] = convert(values[rows[which]], said, param, f"{where}: {name}")
        if param.name in found:  # under another name
            rows, part = np.concatenate([found[param.name][0], rows]), np.concatenate([found[param.name][1], part])
        found[param.name] = (rows, part)
    return found


def _units(data: pa.Table, columns: Columns) -> np.ndarray | None:
    if "units" not in columns.roles:
        return None
    texts = pc.cast(data.column(columns.roles["units"]), pa.string()).to_pylist()
    return np.array([unit or "" for unit in texts], dtype=object)


def params_in(table: pa.Table | pq.ParquetFile, where: str, told: Told) -> set[str]:
    """Return the params that a table has values of."""
    columns = columns_of(names_in(table), told, where)
    if not columns.tidy:
        return set(columns.params)
    name = columns.roles["param"]
    data = table.read(columns=[name]) if isinstance(table, pq.ParquetFile) else table
    names = pc.unique(pc.cast(data.column(name), pa.string())).to_pylist()
    found = (param_named(told.columns[one]) if one in told.columns else find_param(one) for one in names if one)
    return {param.name for param in found if param is not None}


def read_places(table: pa.Table | pq.ParquetFile, where: str, told: Told) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the rows of a table of stations.

    Parameters
    ----------
    table : as `open_table` returns it, with columns station, lat, lon and mostly elevation
    where : names it in messages
    told : what the config says of columns

    Returns
    -------
    ids, int [rows] (index into them), float64 [rows, 3]: latitude, longitude, elevation (m)
    """
    roles = columns_of(names_in(table), told, where).roles
    for role, name in (("station", "station"), ("latitude", "lat"), ("longitude", "lon")):
        if role not in roles:
            raise UserError(
                f"{where}: no column {name}; allowed: station, lat, lon, elevation; `columns` says which is which"
            )
    used = [roles[role] for role in ("station", "latitude", "longitude", "elevation") if role in roles]
    data = table.read(columns=used) if isinstance(table, pq.ParquetFile) else table.select(used)
    data = data.filter(pc.is_valid(data.column(roles["station"])))
    places = _places(data, Columns(roles, {}), where)
    assert places is not None
    return *_stations(data.column(roles["station"])), places
