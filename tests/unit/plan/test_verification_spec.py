"""What the plan says of verification."""

from pathlib import Path

import pytest
from evalflow.errors import UserError


@pytest.fixture
def compared(experiment):
    """An experiment with two baselines and a truth."""
    experiment.data["runs"] += [
        {"baseline": {"label": "persistence", "builtin": "persistence"}},
        {"baseline": {"label": "archive", "root": "/archive", "pattern": "%Y%m%d%H/*", "steps": "0/12/6"}},
    ]
    experiment.data["truth"] = {"label": "analyses", "root": "/truth.grib"}
    return experiment


def test_sources_and_their_lead_times(compared):
    plan = compared.plan()
    spec = plan["verification"]
    run, persistence, archive = spec["sources"]
    assert (run["kind"], run["root"]) == ("run", plan["runs"][0]["spec"]["folder"])
    assert run["sha256"] == plan["runs"][0]["spec"]["sha256"] and run["lead_times"] == [0, 6, 12, 18, 24]
    assert (persistence["builtin"], persistence["lead_times"]) == ("persistence", run["lead_times"])
    assert (archive["root"], archive["pattern"], archive["lead_times"]) == ("/archive", "%Y%m%d%H/*", [0, 6, 12])
    assert spec["unseen"] == [run["source_id"]] and spec["awaited"] == {run["source_id"]: plan["init_times"]}
    assert spec["references"] == [persistence["source_id"]]


def test_params_are_known_by_one_name(compared):
    """However the config names them, and scorecards with it."""
    compared.data["experiment"] = {
        "params": ["2t", "T_2M", "SP_10M", "no such param"],
        "thresholds": {"2t": {"gt": [280]}},
        "scorecards": {
            "sections": {
                "one": {
                    "baseline": "persistence", "lead_times": "6/24/6", "stratification": "season",
                    "variables": ["SP_10M:ETS_gt_10.0,RMSE", "U_10M:BIAS"],
                }
            }
        },
    }  # fmt: skip
    spec = compared.plan()["verification"]
    assert spec["params"] == ["T_2M", "SP_10M", "no such param", "U_10M"] == spec["named_params"]
    assert spec["thresholds"] == {"T_2M": ["> 280"], "SP_10M": ["> 10"]}


def test_a_default_names_no_param(compared):
    spec = compared.plan()["verification"]
    assert spec["named_params"] == [] and "PS" in spec["params"]
    assert spec["comparing"] == {
        "domain": "common", "mapping": "nearest", "max_distance": "auto", "weights": "area", "scales": [50, 200],
        "lapse_rate": "auto", "common_sample": "intersect", "min_coverage": 0.9,
    }  # fmt: skip


def test_a_stations_service_that_cannot_be_asked_ends_the_plan(compared, monkeypatch, tmp_path):
    """Before any GPU hour: in one line, with all that is missing. A launch that does not verify needs none of it."""
    for name in ("OPR_HOME", "JRETRIEVE_CONF_DIR", "JRETRIEVE_CLIENT_ID", "JRETRIEVE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    compared.data["truth"] = [compared.data["truth"], {"label": "stations", "root": "jretrievedwh:1"}]
    with pytest.raises(UserError, match=r"^jretrievedwh: observations cannot be asked for; missing: the program"):
        compared.plan()
    assert compared.plan(target="forecasts")["verification"]["folders"]
    launch = Path(compared.plan(target="forecasts")["verification"]["folders"][0])
    (tmp_path / "jretrievedwh.py").write_text("#!/bin/sh\n")
    (tmp_path / "jretrievedwh.py").chmod(0o755)
    monkeypatch.setenv("OPR_HOME", str(tmp_path))
    (launch / ".jretrievedwh-conf.prod.py").write_text("")
    (launch / ".env").write_text("JRETRIEVE_CLIENT_ID=a\nJRETRIEVE_CLIENT_SECRET=b\n")
    assert compared.plan()["verification"]["truths"][1]["root"] == "jretrievedwh:1"


def test_score_maps_that_are_switched_on(compared):
    assert "maps" not in compared.plan()["verification"]
    maps = {"params": ["2t", "T_2M"], "leadtimes": [12, 6], "scores": ["RMSE"], "seasons": ["DJF"], "init_hours": [0]}
    compared.data["experiment"] = {"scoremaps": maps}
    assert "maps" not in compared.plan()["verification"], "they must be switched on"
    compared.data["experiment"]["scoremaps"]["enabled"] = True
    assert compared.plan()["verification"]["maps"] == {
        "params": ["T_2M"], "lead_times": [6, 12], "scores": ["RMSE"], "seasons": ["DJF"], "init_hours": ["00"],
    }  # fmt: skip
