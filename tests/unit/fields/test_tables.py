"""Station tables: tidy or a column per param, Parquet or CSV; what is wrong is one line."""

import gzip
import re
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from evalflow.errors import UserError
from evalflow.fields.arrays.cf import Told
from evalflow.fields.observations import files as table_files
from evalflow.fields.observations.files import open_tables

H = timedelta(hours=1)
T0 = datetime(2020, 1, 31, 23)
STATIONS = "station,lat,lon,elevation\n06610,46.8,6.9,490\nKLO,47.48,8.53,426\n"
TIDY = """station,time,param,value,units
06610,2020-01-31T23:00,T_2M,1.5,degC
KLO,2020-01-31T23:00,T_2M,272.15,K
KLO,2020-02-01 00:00:00,2t,-2,degC
KLO,2020-02-01T00:00Z,SP_10M,36,km/h
06610,2020-02-01T00:00+00:00,TOT_PREC6,0.25,mm
06610,2020-02-01T00:00+00:00,TOT_PREC1,,mm
KLO,2020-02-01T00:00,albedo,0.3,1
"""
WIDE = """time;station;T_2M;SP_10M;TOT_PREC6;remark
2020-01-31T23:00;6610;274.65;;;a
2020-01-31T23:00;KLO;272.15;-;;b
2020-02-01T00:00;KLO;271.15;10;NaN;
2020-02-01T00:00;6610;;;0.25;c
"""


def as_parquet(path: Path, text: str) -> Path:
    """Write a CSV as Parquet, with the types that are found in it."""
    delimiter = ";" if ";" in text.splitlines()[0] else ","
    table = pyarrow.csv.read_csv(
        pa.BufferReader(text.encode()),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
        convert_options=pyarrow.csv.ConvertOptions(null_values=["", "-", "NaN"]),
    )
    pq.write_table(table, path)
    return path


def write(folder: Path, how: str, text: str, name: str = "obs") -> Path:
    if how == "parquet":
        return as_parquet(folder / f"{name}.parquet", text)
    path = folder / f"{name}.csv"
    path.write_text(text)
    return path


@pytest.fixture
def stations(tmp_path):
    return write(tmp_path, "csv", STATIONS, "stations")


@pytest.mark.parametrize("how", ["csv", "parquet"])
@pytest.mark.parametrize("text", [TIDY, WIDE], ids=["tidy", "wide"])
def test_both_forms_say_the_same(tmp_path, stations, how, text):
    if how == "parquet" and text is TIDY:  # a column of one type
        text = text.replace("Z,", ",").replace("+00:00,", ",").replace(" 00:00:00", "T00:00")
    archive = open_tables(write(tmp_path, how, text), None, Told(), stations)
    assert archive.params() >= {"T_2M", "SP_10M", "TOT_PREC6"}
    grid = archive.grid("T_2M")
    assert (grid.kind, grid.names) == ("stations", ("06610", "KLO"))
    np.testing.assert_allclose(
        (grid.latitudes, grid.longitudes, grid.elevation), ([46.8, 47.48], [6.9, 8.53], [490, 426])
    )
    assert archive.valid_times("T_2M") == [T0, T0 + H]
    found = archive.read("T_2M", T0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [274.65, 272.15], rtol=1e-6)
    np.testing.assert_allclose(archive.read("T_2M", T0 + H), [np.nan, 271.15], rtol=1e-6)
    np.testing.assert_allclose(archive.read("SP_10M", T0 + H), [np.nan, 10], rtol=1e-6)
    np.testing.assert_allclose(archive.read("TOT_PREC6", T0 + H), [0.25, np.nan])
    assert np.isnan(archive.read("T_2M", T0 + 5 * H)).all()
    assert archive.accumulation("TOT_PREC6", T0) == 6 * H and archive.accumulation("T_2M", T0) is None
    assert archive.members("T_2M") == []
    many = list(archive.read_many(["SP_10M", "T_2M"], [T0 + H, T0, T0 + 9 * H]))
    assert [(name, time) for name, time, _ in many] == [
        ("SP_10M", T0), ("T_2M", T0), ("SP_10M", T0 + H), ("T_2M", T0 + H)
    ]  # fmt: skip
    np.testing.assert_allclose(many[-1][2], [np.nan, 271.15], rtol=1e-6)
    assert archive.notes == []


def test_names_and_units_of_others(tmp_path, stations):
    """Columns of harp's tables; a unit by the name in the file or by the param."""
    text = "SID,validdate,TT,FF,PE6\nKLO,2020-01-31T23:00,1.5,20,0.001\n"
    told = Told(
        columns={"SID": "station", "validdate": "time", "TT": "T_2M", "FF": "SP_10M", "PE6": "TOT_PREC6"},
        units={"TT": "degC", "SP_10M": "kt", "TOT_PREC": "m"},
    )
    archive = open_tables(write(tmp_path, "csv", text), None, told, stations)
    assert archive.params() == {"T_2M", "SP_10M", "TOT_PREC6"}
    np.testing.assert_allclose(archive.read("T_2M", T0)[1], 274.65, rtol=1e-6)
    np.testing.assert_allclose(archive.read("SP_10M", T0)[1], 20 * 1852 / 3600, rtol=1e-6)
    np.testing.assert_allclose(archive.read("TOT_PREC6", T0)[1], 1, rtol=1e-6)


def test_the_config_says_units_of_tidy_params_that_the_table_says_wrongly(tmp_path, stations):
    text = "station,time,param,value,units\nKLO,2020-01-31T23:00,TT,1.5,K\n"
    told = Told(columns={"TT": "T_2M"}, units={"TT": "degC"})
    archive = open_tables(write(tmp_path, "csv", text), None, told, stations)
    np.testing.assert_allclose(archive.read("T_2M", T0)[1], 274.65, rtol=1e-6)


@pytest.mark.parametrize("how", ["csv", "parquet"])
def test_a_table_that_has_the_places_itself(tmp_path, how):
    """A station is where its first row in time is; rows elsewhere are not its own."""
    text = """station,time,lat,lon,elevation,T_2M
ship,2020-02-01T00:00,55.0,7.5,,281
ship,2020-01-31T23:00,54.0,7.0,,280
A,2020-01-31T23:00,46.0,179.99,,270
A,2020-02-01T00:00,46.001,-179.99,500,271
B,2020-02-01T00:00,-99,7.0,1,272
"""
    archive = open_tables(write(tmp_path, how, text), None, Told(), None)
    grid = archive.grid("T_2M")
    assert grid.names == ("A", "ship")
    np.testing.assert_allclose((grid.latitudes, grid.longitudes), ([46, 54], [179.99, 7]))
    np.testing.assert_array_equal(grid.elevation, np.array([500, np.nan], "f4"))
    assert archive.notes == []
    np.testing.assert_array_equal(archive.read("T_2M", T0), [270, 280])
    np.testing.assert_array_equal(archive.read("T_2M", T0 + H), [271, np.nan])
    assert [re.sub("^.*: ", "", note) for note in archive.notes] == [
        "B",
        "1 rows are left out whose place is not their station's first, such as one of ship",
    ]


@pytest.mark.parametrize(
    ("how", "pattern"), [("csv", "%Y/%m.csv"), ("parquet", "%Y/%m.parquet"), ("csv", "%Y/%m*.csv")]
)
def test_files_by_valid_time_are_read_once(tmp_path, stations, how, pattern, monkeypatch):
    for month, time, value in (("01", "2020-01-31T23:00", 270), ("02", "2020-02-01T00:00", 271)):
        (tmp_path / "2020").mkdir(exist_ok=True)
        write(tmp_path / "2020", how, f"station,time,T_2M,TD_2M\nKLO,{time},{value},{value - 5}\n", month)
    archive = open_tables(tmp_path, pattern, Told(), stations)
    assert archive.valid_times("T_2M") == [T0, T0 + H]
    assert archive.files(["T_2M"], [T0 + H, T0, datetime(2022, 1, 1)]) == sorted((tmp_path / "2020").iterdir())
    opened = []
    read = table_files.open_table
    monkeypatch.setattr(
        table_files, "open_table", lambda source, where: opened.append(Path(where).stem) or read(source, where)
    )
    found = {(name, time): values[1] for name, time, values in archive.read_many(["T_2M", "TD_2M"], [T0, T0 + H])}
    assert found == {("T_2M", T0): 270, ("TD_2M", T0): 265, ("T_2M", T0 + H): 271, ("TD_2M", T0 + H): 266}
    assert opened == ["01", "02"]
    opened.clear()
    for hour in range(-3, 1):
        archive.read("T_2M", T0 + hour * H)
    assert opened == ["01"]
    assert np.isnan(archive.read("T_2M", datetime(2021, 5, 1))).all()  # no file


def test_times_one_by_one_from_files_of_a_day(tmp_path, stations):
    for day in (1, 2, 3):
        text = "station,time,T_2M\n" + "".join(f"KLO,2020-02-0{day}T{hour:02d}:00,{270 + day}\n" for hour in range(24))
        write(tmp_path, "csv", text, f"obs0{day}")
    archive = open_tables(tmp_path, "obs%d.csv", Told(), stations)
    found = [archive.read("T_2M", datetime(2020, 2, day, 12))[1] for day in (1, 2, 3)]
    assert found == [271, 272, 273]


def test_row_groups_of_other_times_are_passed_over(tmp_path, stations, monkeypatch):
    times = [T0 + hour * H for hour in range(100)]
    table = pa.table(
        {"station": ["KLO"] * 100, "time": pa.array(times, pa.timestamp("ns")), "T_2M": np.arange(270.0, 370)}
    )
    pq.write_table(table, tmp_path / "obs.parquet", row_group_size=10)
    read, groups = pq.ParquetFile.read_row_groups, []
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_groups", lambda self, which, **more: groups.extend(which) or read(self, which, **more)
    )
    archive = open_tables(tmp_path / "obs.parquet", None, Told(), stations)
    found = [values[1] for _, _, values in archive.read_many(["T_2M"], [times[12], times[25]])]
    assert found == [282, 295] and groups == [1, 2]


def test_times_in_utc_however_they_are_written(tmp_path, stations):
    texts = ["2020-01-31 23:00", "2020-01-31T23:00:00Z", "2020-01-31T23:00+00:00", "2020-01-31 23:00 UTC", "20200131230000",
             "202001312300", "2020-01-31T23:00:00.000"]  # fmt: skip
    for text in texts:
        path = write(tmp_path, "csv", f"station,time,T_2M\nKLO,{text},270\n")
        assert open_tables(path, None, Told(), stations).read("T_2M", T0)[1] == 270, text
    for kind in (pa.timestamp("s"), pa.timestamp("ns", tz="UTC"), pa.timestamp("ms", tz="+00:00")):
        table = pa.table({"station": ["KLO"], "time": pa.array([T0], pa.timestamp("s")).cast(kind), "T_2M": [270.0]})
        pq.write_table(table, tmp_path / "obs.parquet")
        assert open_tables(tmp_path / "obs.parquet", None, Told(), stations).read("T_2M", T0)[1] == 270, kind
    table = pa.table({"station": ["KLO"], "termin": [20200131230000], "T_2M": [270.0]})
    pq.write_table(table, tmp_path / "obs.parquet")
    assert open_tables(tmp_path / "obs.parquet", None, Told(), stations).read("T_2M", T0)[1] == 270


@pytest.mark.parametrize("time", ["2020-01-31T23:00+01:00", "2020-01-31T23:00 CET", "2020-01-31 23:00 Europe/Zurich"])
def test_times_that_are_not_utc(tmp_path, stations, time):
    path = write(tmp_path, "csv", f"station,time,T_2M\nKLO,{time},270\n")
    with pytest.raises(UserError, match=re.escape(f'{path}: the time "{time}" is not in UTC; allowed: UTC')):
        open_tables(path, None, Told(), stations).read("T_2M", T0)


def test_times_of_parquet_that_are_not_utc(tmp_path, stations):
    time = pa.array([T0], pa.timestamp("s", tz="Europe/Zurich"))
    pq.write_table(pa.table({"station": ["KLO"], "time": time, "T_2M": [270.0]}), tmp_path / "obs.parquet")
    with pytest.raises(UserError, match=r"obs.parquet: times are in Europe/Zurich; allowed: UTC"):
        open_tables(tmp_path / "obs.parquet", None, Told(), stations).read("T_2M", T0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("station,time,T_2M\nKLO,31.01.2020,270\n", '"31.01.2020" is no time; allowed: such as 2020-01-31T06:00, in UTC'),
        ("station,time,T_2M\nKLO,1580511600,270\n", '"1580511600" is no time'),
        ("station,time,T_2M\nKLO,2020-01-31T23:00,cold\n", "T_2M is no column of numbers: .*cold"),
        ("station,time,param,value,units\nKLO,2020-01-31T23:00,T_2M,1,furlong\n", 'T_2M: T_2M has units "furlong"'),
        ("station,time,T_2M,2t\nKLO,2020-01-31T23:00,1,1\n", "T_2M and 2t are both T_2M; `columns` may name one"),
        ("id,time,T_2M\nKLO,2020-01-31T23:00,1\n", "no column station; allowed: station, time, param, value"),
        ("station,date,T_2M\nKLO,2020-01-31T23:00,1\n", "no column time; allowed: station, time, param, value"),
        ("station,time,albedo\nKLO,2020-01-31T23:00,1\n", "no T_2M; there are no param that is known"),
        ("station,time,T_2M\nKLO,2020-01-31T23:00\n", "is no table: CSV parse error"),
        ("\n", "is empty; allowed: CSV with names of columns in its first line"),
        ("station,time,T_2M\nKLO,2020-01-31T23:00,1.5\n06610,2020-01-31T23:00,2.5\n",
         "100% of the values of T_2M are outside 150 to 350 K; the key `units` says their unit"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(tmp_path, stations, text, message):
    path = write(tmp_path, "csv", text)
    with pytest.raises(UserError, match=message) as caught:
        open_tables(path, None, Told(), stations).read("T_2M", T0)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("how", ["csv", "parquet"])
def test_rows_that_repeat_others(tmp_path, stations, how):
    text = "station,time,T_2M,TD_2M\n" + 2 * "KLO,2020-01-31T23:00,270,\n" + "06610,2020-01-31T23:00,271,265\n"
    archive = open_tables(write(tmp_path, how, text), None, Told(), stations)
    np.testing.assert_array_equal(archive.read("T_2M", T0), [271, 270])
    assert [note.split(": ", 1)[1] for note in archive.notes] == ["T_2M: 1 rows repeat others and count once"]
    text += "KLO,2020-01-31T23:00,270.5,260\nKLO,2020-02-01T00:00,270,\n"
    archive = open_tables(write(tmp_path, how, text), None, Told(), stations)
    # The other row says nothing of it.
    np.testing.assert_array_equal(archive.read("TD_2M", T0), [265, 260])
    with pytest.raises(UserError, match=r"T_2M: \d rows? repeat.* station KLO, 2020-01-31 23:00 \(.*\); keep one"):
        archive.read("T_2M", T0)


def test_two_files_that_say_different_things(tmp_path, stations):
    for name, value in (("a", 270), ("b", 271)):
        write(tmp_path, "csv", f"station,time,T_2M\nKLO,2020-01-31T23:00,{value}\n", f"{name}202001")
    with pytest.raises(UserError, match=r"b202001.csv: T_2M: 1 rows repeat .* \(271 and 270\); keep one"):
        open_tables(tmp_path, "[ab]%Y%m.csv", Told(), stations).read("T_2M", T0)


def test_single_errors_of_observers(tmp_path, stations):
    text = "station,time,T_2M\nKLO,2020-01-31T23:00,999\n06610,2020-01-31T23:00,270\n06610,2020-02-01T00:00,271\n"
    archive = open_tables(write(tmp_path, "csv", text), None, Told(), stations)
    np.testing.assert_array_equal(archive.read("T_2M", T0), [270, np.nan])
    assert [note.split(": ", 1)[1] for note in archive.notes] == ["1 values of T_2M outside 150 to 350 K are left out"]


def test_winds_from_speed_and_direction(tmp_path, stations):
    """From the west (270°) u is positive, from the north v negative; a calm has no direction."""
    text = "station,time,FF_10M,DD_10M\nKLO,{0},4,270\n06610,{0},2,0\nKLO,{1},0,\n06610,{1},3,\n".format(
        "2020-01-31T23:00", "2020-02-01T00:00"
    )
    archive = open_tables(write(tmp_path, "csv", text), None, Told(), stations)
    assert archive.params() == {"SP_10M", "DD_10M", "U_10M", "V_10M"}
    np.testing.assert_allclose(archive.read("U_10M", T0), [0, 4], atol=1e-6)
    np.testing.assert_allclose(archive.read("V_10M", T0), [-2, 0], atol=1e-6)
    for param in ("U_10M", "V_10M"):
        np.testing.assert_array_equal(archive.read(param, T0 + H), [np.nan, 0])


def test_rows_without_a_time_or_a_station(tmp_path, stations):
    text = "station,time,T_2M\nKLO,2020-01-31T23:00,270\n,2020-01-31T23:00,271\nKLO,,272\n"
    archive = open_tables(write(tmp_path, "csv", text), None, Told(), stations)
    assert archive.valid_times("T_2M") == [T0]
    np.testing.assert_array_equal(archive.read("T_2M", T0), [np.nan, 270])


def test_compressed_csv(tmp_path, stations):
    path = tmp_path / "obs.csv.gz"
    path.write_bytes(gzip.compress(b"station,time,T_2M\nKLO,2020-01-31T23:00,270\n"))
    assert open_tables(path, None, Told(), stations).read("T_2M", T0)[1] == 270
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(UserError, match=r"obs.csv.gz: is no table"):
        open_tables(path, None, Told(), stations).read("T_2M", T0)


def test_what_is_read_is_the_callers(tmp_path, stations):
    archive = open_tables(write(tmp_path, "csv", WIDE), None, Told(), stations)
    archive.read("T_2M", T0)[:] = 0
    np.testing.assert_allclose(archive.read("T_2M", T0), [274.65, 272.15], rtol=1e-6)


def test_stations_that_are_not_in_their_table(tmp_path, stations):
    text = "station,time,T_2M\nKLO,2020-01-31T23:00,270\nLUG,2020-01-31T23:00,270\nGVE,2020-01-31T23:00,270\n"
    archive = open_tables(write(tmp_path, "csv", text), None, Told(), stations)
    np.testing.assert_array_equal(archive.read("T_2M", T0), [np.nan, 270])
    assert archive.notes == [
        f"{tmp_path / 'obs.csv'}: 2 stations whose place is not known are left out, the first: LUG"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("station,lat\nKLO,47\n", "no column lon; allowed: station, lat, lon, elevation"),
        ("name,lat,lon\nKLO,47,8\n", "no column station"),
        ("station,lat,lon\nKLO,,8\n", "station KLO has no latitude and longitude"),
        ("station,lat,lon\nKLO,470000,8\n", "station KLO has no latitude and longitude"),
        ("station,lat,lon\nKLO,47,8\nKLO,46,8\n", "station KLO is there twice, at different places; keep one"),
        ("station,lat,lon\n06610,47,8\n6610,46,8\n", "station 6610 is there twice"),
        ("station,lat,lon\n", "has no stations"),
    ],
)
def test_a_table_of_stations_that_is_none(tmp_path, text, message):
    path = write(tmp_path, "csv", text, "stations")
    with pytest.raises(UserError, match=message) as caught:
        open_tables(write(tmp_path, "csv", WIDE), None, Told(), path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_stations_in_any_order_are_the_same(tmp_path):
    first = write(tmp_path, "csv", STATIONS, "first")
    lines = STATIONS.splitlines()
    second = write(tmp_path, "csv", "\n".join([lines[0], *lines[:0:-1], lines[1]]) + "\n", "second")
    digests = {
        open_tables(write(tmp_path, "csv", WIDE), None, Told(), path).grid("T_2M").digest for path in (first, second)
    }
    assert len(digests) == 1


def test_what_is_not_there(tmp_path, stations):
    obs = write(tmp_path, "csv", WIDE)
    with pytest.raises(UserError, match=r"none.csv: no such file"):
        open_tables(tmp_path / "none.csv", None, Told(), stations)
    with pytest.raises(UserError, match=r"%Y.csv: no such file"):
        open_tables(tmp_path, "%Y.csv", Told(), stations)
    with pytest.raises(UserError, match=r"none.csv: No such file or directory"):
        open_tables(obs, None, Told(), tmp_path / "none.csv")
    with pytest.raises(UserError, match="no columns lat and lon; the key `stations` names a table that has them"):
        open_tables(obs, None, Told(), None)
    archive = open_tables(obs, None, Told(), stations)
    with pytest.raises(UserError, match=r"obs.csv: no PMSL; there are SP_10M, TOT_PREC6, T_2M"):
        archive.read("PMSL", T0)
    with pytest.raises(UserError, match="no member 003; it is no ensemble"):
        archive.read("T_2M", T0, "003")
    with pytest.raises(UserError, match="no param T_2N, did you mean T_2M"):
        open_tables(obs, None, Told(columns={"remark": "T_2N"}), stations).params()


def test_sums_since_nobody_knows(tmp_path, stations):
    archive = open_tables(write(tmp_path, "csv", WIDE.replace("TOT_PREC6", "TOT_PREC")), None, Told(), stations)
    with pytest.raises(UserError, match="TOT_PREC is a sum over time, and nothing says of what time"):
        archive.accumulation("TOT_PREC", T0)
