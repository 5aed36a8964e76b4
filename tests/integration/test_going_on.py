"""One failure does not stop the rest: environments, forecasts, verification and report; the launch says what it lacks."""

import copy
import json
from pathlib import Path

import eccodes
import numpy as np
import yaml
from support import killed
from support.environments import make_tool
from support.launches import Workspace

DAYS = 6
BROKEN = "echo 'RuntimeError: no weights'; exit 4"
STUMBLES = 'case "$2" in 2024-01-02*) echo "ValueError: no such date"; exit 3;; esac'


def shell(script: str, *words: str) -> list[str]:
    return ["sh", "-c", script, "sh", "{output}", *words]


def temperature(day: int, time: int, step: int) -> bytes:
    message = eccodes.GRIBMessage.from_samples("regular_ll_sfc_grib2")
    message.set({"shortName": "2t", "dataDate": 20240100 + day, "dataTime": time, "step": step})
    message.set_array("values", np.linspace(270, 290, message["numberOfValues"]))
    return message.get_buffer()


def make_trouble(workspace: Workspace) -> None:
    """Write an environment that cannot be built, a model that never works, one that stumbles, and its downscaler."""
    exp = workspace.root / "exp"
    (exp / "no-wheel-1-py3-none-any.whl").write_text("no wheel")
    analyses = b""
    for day in range(1, DAYS + 1):
        for lead in (0, 6):
            (exp / f"2024-01-{day:02}T00:00-{lead}.grib").write_bytes(temperature(day, 0, lead))
            analyses += temperature(day, 100 * lead, 0)
    (exp / "analyses.grib").write_bytes(analyses)
    copies = f'{STUMBLES}; cp "{exp}/$2"-*.grib "$1"'

    def change(config):
        one, two = [entry["forecaster"] for entry in config["runs"]]
        one |= {"command": shell(copies, "{init_time}")}
        two |= {"command": shell(BROKEN), "label": "hopeless"}
        unbuilt = copy.deepcopy(one) | {"label": "unbuilt", "requirements": ["./no-wheel-1-py3-none-any.whl"]}
        refined = {"label": "refined", "runner": "command", "checkpoint": "two.sh", "steps": "0/6/6"}
        refined |= {"command": shell('cp "$2"/*.grib "$1"', "{forecaster}"), "forecaster": copy.deepcopy(one)}
        config["runs"] = [{"forecaster": entry} for entry in (unbuilt, two, one)] + [{"temporal_downscaler": refined}]
        config["dates"] = [f"2024-01-{day:02}T00:00" for day in range(1, DAYS + 1)]
        config["truth"] = {"label": "analyses", "root": "analyses.grib"}
        config["experiment"] = {"params": ["T_2M"]}

    workspace.edit(change)


def test_all_is_made_that_does_not_need_what_failed(quick):
    """Downscalers' packs of two: of one, a forecaster's forecast failed, and the other init time is refined."""
    make_trouble(quick)
    quick.options = ("-queue-size", "2")  # so that of three packs, the third begins when others have ended
    result = killed.launch(quick, "--target", "experiment", "--inits_per_task", "2")
    assert result.status != 0, result.text
    plan = quick.plan()
    runs = {run["label"]: run["run_id"] for run in plan["runs"]}
    made = {label: {path.name for path in quick.store.glob(f"runs/{run_id}/[0-9]*")} for label, run_id in runs.items()}
    times = set(plan["init_times"])
    assert made == {
        "unbuilt": set(), "hopeless": set(), "one": times - {"202401020000"}, "refined": times - {"202401020000"},
    }, result.text  # fmt: skip

    results = quick.root / "out" / "results" / plan["experiment_id"]
    assert (results / "index.html").exists() and (results / "scores.parquet").exists()
    summary = json.loads((results / "summary.json").read_text())
    label_of = {run_id: label for label, run_id in runs.items()}
    failed = [
        (label_of.get(one["what"], one["step"]), len(one["init_times"]), one["reason"]) for one in summary["failed"]
    ]
    (lock, *others) = failed
    assert lock[:2] == ("LOCK_REQUIREMENTS", 0) and "no-wheel" in lock[2]
    broken = [one for one in others if one[0] == "hopeless"]
    assert {*broken} == {("hopeless", 1, "the model ended with status 4 (RuntimeError: no weights)")}
    assert 3 <= len(broken) <= 4
    assert others[len(broken) :] == [("one", 1, "the model ended with status 3 (ValueError: no such date)")]
    left = {label_of[one["what"]]: (len(one["init_times"]), one["reason"]) for one in summary["left_out"]}
    assert left["unbuilt"][0] == DAYS and "its environment" in left["unbuilt"][1]
    assert left["hopeless"] == (DAYS - len(broken), "the run was given up, since its first forecasts all failed")
    assert left["refined"] == (1, f"no forecast of its forecaster, {runs['one']}")
    for one in summary["failed"]:
        log = Path(one["log"]).read_text()
        assert one["log"] in result.text or label_of.get(one["what"]) == "hopeless"
        assert "no such date" in log or "no weights" in log or "no-wheel" in log

    computed = {one["label"]: one["computed"] for one in summary["statistics"]}
    assert computed["one"] == computed["refined"] == DAYS - 1 and computed["hopeless"] == 0
    assert list((quick.root / "launch" / "work" / "launches").glob("*-*")) == [], "no mark is left"


def test_with_keep_going_false_the_first_failure_ends_the_launch(quick):
    """As long as one at a time is made, what has not begun is left."""
    quick.options = ("-queue-size", "1")
    result = killed.launch(quick, "--keep_going", "false", model="echo 'ValueError: no such date'; exit 3")
    assert result.status != 0 and "Error executing process" in result.text
    assert "ended with status 3 (ValueError: no such date)" in result.text
    assert result.forecasts < 3 and "not begun, or not finished, when the launch ended" in result.text


def test_what_cannot_be_submitted_ends_the_launch(quick):
    """A cluster in trouble is no model that fails. Here, a Slurm of shell scripts."""
    make_tool(quick.root / "tools", "sbatch", "echo 'sbatch: error: invalid partition specified: nowhere' >&2; exit 1")
    path = make_tool(quick.root / "tools", "squeue", "exit 0")["PATH"]
    quick.profile = "slurm"
    result = quick.launch(PATH=path, timeout=120)
    assert result.status != 0 and "Error executing process > 'ENVIRONMENT:GET_CHECKPOINT" in result.text, result.text
    assert "invalid partition specified: nowhere" in result.text and "Error is ignored" not in result.text


def test_a_launch_ends_where_there_is_no_plan_whatever_it_shall_keep(quick):
    config = yaml.safe_load(quick.config_file.read_text())
    config["runs"][0]["forecaster"]["checkpoint"] = "gone.sh"
    quick.config_file.write_text(yaml.safe_dump(config))
    result = killed.launch(quick)
    assert result.status != 0 and result.tasks == {"MAKE_PLAN": 1}
    assert "Error executing process > 'PLAN:MAKE_PLAN'" in result.text and "gone.sh" in result.text
