"""What is read and not made: forecasts made elsewhere, baselines, and the truth."""

from collections.abc import Container, Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from evalflow.config.fields import Count, Member, Model, Name, TableCommand, Text, refuse
from evalflow.config.times import LastTime, Steps, Time, hours_of, parse_time
from evalflow.errors import UserError
from evalflow.fields.params import Param, param_named
from evalflow.fields.units import conversion, known_units
from evalflow.texts import show


def _stays_below_root(pattern: str) -> str:
    # As written, and as used: some directives stand for nothing, so that .%Z. would be two dots.
    for path in (pattern, datetime(2001, 1, 1).strftime(pattern)):
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"{show(pattern)} leaves root; allowed: a path below it")
    return pattern


def _tells_init_times_apart(pattern: str) -> str:
    times = (
        datetime(2001, 1, 1),
        datetime(2002, 1, 1),
        datetime(2001, 2, 1),
        datetime(2001, 1, 2),
        datetime(2001, 1, 1, 12),
    )
    if len({time.strftime(pattern) for time in times}) < len(times):
        raise ValueError(
            f"{show(pattern)} is the same for different init times; allowed: year to hour, such as %Y%m%d%H"
        )
    return pattern


Pattern = Annotated[Text, AfterValidator(_stays_below_root)]
InitPattern = Annotated[Pattern, AfterValidator(_tells_init_times_apart), Field(examples=["%Y%m%d%H/*.grib"])]
Units = dict[Text, Text]


def look_up_param(name: str) -> Param | str:
    """Return the param that a name means, or what is wrong with the name."""
    try:
        return param_named(name)
    except UserError as error:
        return f"{str(error).partition('; ')[0]}; allowed: a param such as T_2M or TOT_PREC6"


def _wrong_units(units: Mapping[str, str], columns: Mapping[str, str]) -> list:
    """Return the problems of the key `units`: unknown params, and units of another quantity."""
    wrong = []
    for name, unit in units.items():
        param = look_up_param(columns.get(name, name))
        if isinstance(param, str):
            if name not in columns:  # else it is said of the column
                wrong.append((("units", name), param))
        elif conversion(unit, param.quantity) is None:
            allowed = ", ".join(known_units(param.quantity))
            wrong.append((("units", name), f"got {show(unit)} for {param.name}; allowed: {allowed}"))
    return wrong


def _wrong_columns(columns: Mapping[str, str]) -> list:
    found = [(name, look_up_param(target)) for name, target in columns.items()]
    return [(("columns", name), param) for name, param in found if isinstance(param, str)]


def _without_meaning(entry: Model, names: Container[str], where: str) -> list:
    """Return the problems of fields that say something where they cannot."""
    written = entry.model_dump(exclude_defaults=True)
    return [((name,), f"has no meaning with {where}; allowed: without it") for name in written if name in names]


_UNITS_TEXT = "Unit of a param where the files do not say it, or say it wrongly: param, or name in the files, and unit."


class ForecastsConfig(Model):
    """Forecasts that were made elsewhere, evaluated like those of a run."""

    HASH_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"label"})

    label: Text = Field(description="Name shown in figures, tables and reports.")
    root: Text = Field(
        description="Folder that holds the forecasts: GRIB or NetCDF files, or Zarr stores. Without `pattern`: one store "
        "(Zarr, NetCDF) of all init times, or an archive that is known by its path."
    )
    pattern: InitPattern | None = Field(
        None,
        description="Path of the files of one forecast, below root. strftime directives such as %Y%m%d%H stand for the "
        "init time, * for anything. Left out: root is one store, with init time and lead time.",
    )
    steps: Steps = Field(description="Lead times to use, as start/end/step in hours, the end included.")
    member: Member = Field(
        "000", description="Ensemble member, where there are any: 000 or control, three digits, mean, or median."
    )
    units: Units = Field({}, examples=[{"TOT_PREC": "mm"}], description=_UNITS_TEXT)

    @model_validator(mode="after")
    def _units_are_known(self) -> "ForecastsConfig":
        wrong = _wrong_units(self.units, {})
        if wrong:
            raise refuse(wrong)
        return self

    def lead_times(self) -> list[int | float]:
        """Return the lead times in hours."""
        return hours_of(self.steps)


class ReferencePeriod(Model):
    """The past that a climatology is the mean of, by hour of the day and time of the year."""

    start: Time = Field(description="Start of the period, ISO-8601, UTC.")
    end: LastTime = Field(description="End of the period; a day without an hour counts to its end.")
    window: Count = Field(
        15, le=182, description="Days before and after a day of the year that count for it, in each of the years."
    )

    @model_validator(mode="after")
    def _start_before_end(self) -> "ReferencePeriod":
        if parse_time(self.end) <= parse_time(self.start):
            raise refuse([(("end",), f"is not after the start {self.start}; allowed: a later time")])
        return self


class BaselineConfig(Model):
    """A forecast that the runs are compared with: made elsewhere, or built in."""

    HASH_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"label"})

    label: Text = Field(description="Name shown in figures, tables and reports. Scorecards refer to it.")
    root: Text | None = Field(
        None,
        description="Folder or store of the baseline's data, needed without `builtin`. evalflow tells ICON's "
        "archive, INCA and Zarr stores by their paths.",
    )
    pattern: InitPattern | None = Field(
        None,
        description="Path of the files of one forecast, below root: strftime directives stand for the init time, * for "
        "anything. Left out: an archive that is known by its path, or one store.",
    )
    builtin: Literal["persistence", "persistence_24h", "climatology"] | None = Field(
        None,
        description="In place of root, a forecast that evalflow makes from the truth: persistence (the truth at "
        "the init time), persistence_24h (the last truth at the valid hour, not after the init time), "
        "climatology (the mean of a `reference` period).",
    )
    reference: ReferencePeriod | None = Field(
        None, description="The period, which `builtin: climatology` needs. It must not contain the dates."
    )
    steps: Steps | None = Field(
        None,
        description="Lead times to use, as start/end/step in hours, the end included. Needed without `builtin`. "
        "With it, left out: the lead times of all others.",
    )
    member: Member = Field(
        "000",
        description="Ensemble member: 000 or control, any other as three digits, mean (of all members), or median "
        "(computed beforehand). Sums of hourly medians are too small: with median, use data that "
        "contain the sums.",
    )
    units: Units = Field({}, examples=[{"TOT_PREC": "mm"}], description=_UNITS_TEXT)

    @model_validator(mode="after")
    def _read_or_built_in(self) -> "BaselineConfig":
        wrong = _wrong_units(self.units, {})
        if self.builtin:
            wrong += _without_meaning(self, {"root", "pattern", "member", "units"}, f"builtin {self.builtin}")
        else:
            data = "allowed: the folder of the data; or builtin in its place"
            wrong += [(("root",), f"missing; {data}")] * (self.root is None)
            wrong += [(("steps",), "missing; allowed: text such as 0/120/6")] * (self.steps is None)
        if self.builtin == "climatology" and self.reference is None:
            what = "missing: builtin is climatology; allowed: a mapping with the keys start, end, window"
            wrong.append((("reference",), what))
        if self.builtin != "climatology":
            wrong += _without_meaning(self, {"reference"}, f"builtin {self.builtin}" if self.builtin else "root")
        if wrong:
            raise refuse(wrong)
        return self


class TruthConfig(Model):
    """What forecasts are verified against."""

    HASH_EXCLUDE: ClassVar[frozenset[str]] = frozenset({"label", "license"})

    label: Text = Field(description="Name shown in figures, tables and reports. Scorecards refer to it.")
    root: Text | None = Field(
        None,
        description="Analyses (a Zarr store, NetCDF or GRIB), or observations at stations (tables as Parquet or "
        "CSV, or a request such as jretrievedwh:1,2). Needed without `command`.",
    )
    pattern: Pattern | None = Field(
        None,
        examples=["%Y%m.parquet"],
        description="Path of the files below root: strftime directives such as %Y%m stand for the valid time, * for "
        "anything. Left out: root is one file or store.",
    )
    command: TableCommand | None = Field(
        None,
        description="In place of root, a program and its arguments. It prints a table of observations as CSV. "
        "evalflow fills in {start} and {end}, the first and last valid time wanted, ISO-8601. No "
        "shell runs it.",
    )
    stations: Text | None = Field(
        None,
        description="Table of the stations with the columns station, lat, lon, elevation, and name where there is "
        "one. Left out: the observations have these columns themselves.",
    )
    columns: dict[Text, Name] = Field(
        {},
        examples=[{"TT": "T_2M"}],
        description="Params that have another name in the files: the name there, and the param.",
    )
    units: Units = Field({}, examples=[{"TT": "degC"}], description=_UNITS_TEXT)
    license: Text | None = Field(None, description="Licence or source of the data, one line. Reports show it.")

    @model_validator(mode="after")
    def _read_or_printed(self) -> "TruthConfig":
        wrong = _wrong_columns(self.columns) + _wrong_units(self.units, self.columns)
        besides = [name for name in ("root", "pattern") if getattr(self, name) is not None]
        if self.command is not None and besides:
            wrong.append((("command",), f"stands beside {' and '.join(besides)}; allowed: command alone, or root"))
        if self.command is None and self.root is None:
            wrong.append((("root",), "missing; allowed: a store, folder, file or request; or command in its place"))
        if wrong:
            raise refuse(wrong)
        return self
