"""Bad input of every kind, all in one launch: each is one line, and nothing else is lost."""

import sys
from datetime import datetime
from pathlib import Path

import eccodes
import numpy as np
from support.paths import PROJECT
from support.verifying import BASELINES, make_workspace, verify, write_perfect_forecast

STATIONS = "station,lat,lon,elevation\na,40,-90,100\nb,45,-100,300\n"
FAR = "station,lat,lon,elevation\na,47,8,500\n"
TABLES = {
    "repeated": "station,time,param,value,units\na,1996-01-15T12:00,T_2M,270,K\na,1996-01-15T12:00,T_2M,271,K\n",
    "unknown unit": "station,time,param,value,units\na,1996-01-15T12:00,T_2M,270,furlong\n",
    "local time": "station,time,param,value,units\na,1996-01-15T12:00+01:00,T_2M,270,K\n",
    "far away": "station,time,param,value,units\na,1996-01-15T12:00,T_2M,270,K\n",
}
SAID = {
    "repeated": "1 rows repeat",
    "unknown unit": 'has units "furlong"; known here: K',
    "local time": "is not in UTC; allowed: UTC",
    "far away": "domain common: none of the truth's 1 points is covered by all sources",
}
"""Truth (its label) → what is wrong with it."""


def without_values(path: Path) -> None:
    """Make all of T_2M in a GRIB file missing."""
    written = path.with_suffix(".new")
    with open(path, "rb") as file, open(written, "wb") as output:
        while (message := eccodes.codes_grib_new_from_file(file)) is not None:
            if eccodes.codes_get(message, "shortName") == "2t":
                eccodes.codes_set(message, "missingValue", 9999)
                eccodes.codes_set(message, "bitmapPresent", 1)
                values = eccodes.codes_get_values(message)
                eccodes.codes_set_values(message, np.append(values[:1], np.full(values.size - 1, 9999.0)))
            eccodes.codes_write(message, output)
            eccodes.codes_release(message)
    written.replace(path)


def service_that_is_down(root: Path) -> dict[str, str]:
    """Return the environment of a launch in which the stations service answers no call; its calls go to root/log."""
    (root / "fail").write_text("1000")
    (root / "bin").mkdir()
    program = root / "bin" / "jretrievedwh.py"
    stand_in = PROJECT / "tests" / "support" / "jretrievedwh.py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {stand_in} "$@"\n')
    program.chmod(0o755)
    (root / "launch").mkdir()
    (root / "launch" / ".jretrievedwh-conf.prod.py").write_text("")
    own = {
        "OPR_HOME": str(root),
        "FAKE_LOG": str(root / "log"),
        "FAKE_FAIL": str(root / "fail"),
    }
    return own | {"JRETRIEVE_CLIENT_ID": "somebody", "JRETRIEVE_CLIENT_SECRET": "of-nobodys-business"}


def test_bad_input_of_every_kind_is_a_line_and_everything_else_goes_on(tmp_path):
    workspace = make_workspace(tmp_path / "one")
    exp = workspace.root / "exp"
    (exp / "stations.csv").write_text(STATIONS)
    (exp / "far.csv").write_text(FAR)
    (exp / "empty.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    for label, text in TABLES.items():
        (exp / f"{label}.csv").write_text(text)
    for init_time in (datetime(1996, 1, 15, 12), datetime(1996, 1, 16)):
        output = exp / "nan" / f"{init_time:%Y%m%d%H}.grib"
        write_perfect_forecast(output, init_time)
        without_values(output)
    (exp / "gone").mkdir()

    def spoil(config: dict) -> None:
        config["dates"].append("1996-01-20T00:00")
        config["experiment"]["params"] += ["TD_2M", "XYZ"]
        config["experiment"]["thresholds"]["T_2M"]["lt"].append(0)
        config["experiment"]["stratification"]["regions"] += [
            {"name": "nothing", "file": "empty.geojson"},
            {"name": "far", "box": [100, 110, 0, 10]},
        ]
        for label in ("gone", "nan"):
            entry = {"label": label, "root": label, "pattern": "%Y%m%d%H.grib", "steps": "0/24/6"}
            config["runs"].append({"forecasts": entry})
        tables = [
            {"label": label, "root": f"{label}.csv", "stations": "far.csv" if label == "far away" else "stations.csv"}
            for label in TABLES
        ]
        service = {"label": "service", "root": "jretrievedwh:locations=KLO"}
        config["truth"] = [config["truth"], *tables, service]

    workspace.edit(spoil)
    launch = verify(workspace, status=1, **service_that_is_down(workspace.root))
    said = launch.result.text
    lines = said.splitlines()

    def one_line(*parts: str) -> str:
        found = [line for line in lines if all(part in line for part in parts)]
        assert found, f"{parts} in\n{said}"
        return found[0]

    one_line("experiment.params[3]: no param XYZ; allowed: ")
    one_line("problem: TD_2M: truth analyses has no such param; it has ")
    one_line("experiment.thresholds.T_2M.lt[1]: 0 is never reached; allowed: what T_2M can be, 150 to 350 K")
    one_line("empty.geojson: holds no polygon")
    one_line("region far (box [100.0, 110.0, 0.0, 10.0]) holds none of the ")
    one_line("truth analyses: has no ", "valid times, the first 1996-01-20T18:00 and the last 1996-01-21T00:00")
    one_line("gone: there is no forecast of any of the 3 init times in ")
    one_line("too few for a verdict")
    reasons = " ".join(launch.lacking["persistence"].values())
    for label, text in SAID.items():
        assert text in said or text in reasons, (label, said, reasons)
    one_line("jretrievedwh:locations=KLO: no stations after 3 tries: ")
    assert len((workspace.root / "log").read_text().splitlines()) % 3 == 0, "three tries, wherever it is asked"
    assert "Traceback" not in said and "of-nobodys-business" not in said
    notes = [note for one in launch.summary["statistics"] for note in one["notes"]]
    assert any("nan/1996011512.grib" in note and "the field is left out" in note for note in notes), notes
    rows = launch.tables()["scores.parquet"].to_pylist()
    scored = {(row["label"], row["param"]) for row in rows if row["truth"] == "analyses"}
    assert scored >= {(label, param) for label in BASELINES for param in ("T_2M", "SP_10M")} | {("nan", "SP_10M")}
    assert {row["region"] for row in rows if row["truth"] == "analyses"} == {"all", "plains"}
