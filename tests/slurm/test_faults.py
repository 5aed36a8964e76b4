"""Faults of a cluster: launches that meet them end with the right results, with nothing lost and nothing done twice."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.cluster import LONG, Cluster, Job, meanwhile, wait_until
from support.launches import Result, copy_workspace, run_entry
from support.slurm import SlurmWorkspace, make_by_hand, on_slurm, shell_first

DATES = {"199601150000": "1996-01-15T00:00", "199601151200": "1996-01-15T12:00"}
NO_STATUS = "-"
"""What the trace shows where a job left no exit status."""
KILLED = "137 or -"
"""Of a job whose processes are killed one after the other, some may still tell."""


@dataclass
class Launches:
    """Launches of a workspace of several runs, all in one environment.

    Attributes
    ----------
    runs : label → shell script before the model, and the run's resources
    dates : number of init times
    """

    cluster: Cluster
    workspace: SlurmWorkspace
    runs: dict[str, tuple[str, dict]]
    dates: int = 2
    run_ids: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        def change(config):
            config["dates"] = list(DATES.values())[: self.dates]
            config["runs"] = []
            for label, (script, resources) in self.runs.items():
                run = run_entry(label, "models/one.py", "one.yaml")
                # With the label in its command, it is a run of its own.
                run["forecaster"] |= {"command": shell_first(f": {label}\n{script}"), "inference_resources": resources}
                config["runs"].append(run)

        self.workspace.edit(change)
        self.run_ids = {run["label"]: run["run_id"] for run in self.workspace.plan()["runs"]}

    def jobs(self, label: str = "") -> list[Job]:
        """Return the jobs of one run or all, those included that Nextflow does not know of."""
        work = self.workspace.root / "launch" / "work"
        jobs = [job for job in self.cluster.jobs() if job.folder.is_relative_to(work)]
        return [job for job in jobs if not label or self.run_ids[label].rsplit("/")[-1] in job["JobName"]]

    def job(self, label: str, state: str) -> Job:
        """Wait until a run has a job in this state."""
        found: list[Job] = []

        def look() -> list[Job]:
            found[:] = [job for job in self.jobs(label) if job.state == state]
            return found

        wait_until(look, LONG, f"a job of {label} that is {state}")
        return found[0]

    def exits(self, label: str) -> list[str]:
        """Return the exit statuses of the last launch's attempts at a run, as Nextflow has them."""
        rows = [row for row in self.workspace.trace() if row["tag"].startswith(f"{self.run_ids[label]} ")]
        return [row["exit"] for row in sorted(rows, key=lambda row: int(row["attempt"]))]

    def forecasts(self, label: str) -> dict[str, dict[str, bytes]]:
        """Return what the store has of a run: init time → GRIB file → content."""
        forecasts: dict = {}
        for path in self.workspace.store.glob(f"runs/{self.run_ids[label]}/*/*.grib"):
            forecasts.setdefault(path.parent.name, {})[path.name] = path.read_bytes()
        return forecasts


@dataclass(frozen=True)
class Fault:
    """A fault that strikes the first attempt at the one forecast of a run, and what must come of it.

    Attributes
    ----------
    exits : exit statuses of the attempts
    time, memory : what the attempts ask for
    script : what runs before the model; `{first}` begins what only the first attempt does, after it has made a file that
        shows that it runs
    resources : the run's `inference_resources`
    """

    exits: tuple[str, ...]
    time: tuple[str, ...]
    memory: tuple[str, ...]
    script: str = ""
    resources: dict = field(default_factory=dict)


GPU = {"slurm_partition": "gpu"}
WAIT = "{first} sleep 300; }"
SAME_TIME, MORE_TIME = ("01:00:00", "01:00:00"), ("00:01:00", "00:02:00")
SAME_MEMORY, MORE_MEMORY = ("4000M", "4000M"), ("4000M", "8000M")
FAULTS = {
    "cancelled while running": Fault(("143", "0"), SAME_TIME, SAME_MEMORY, WAIT),
    "cancelled while pending": Fault((NO_STATUS, "0"), SAME_TIME, MORE_MEMORY, "", GPU),
    "time limit": Fault(("140", "0"), MORE_TIME, SAME_MEMORY, WAIT, {"runtime": "1m"}),
    # Slurm kills the whole job, the kernel only the process that has most. Needs 600 MB, always.
    "memory limit": Fault(
        (KILLED, "0"), SAME_TIME, ("500M", "1000M"),
        "python -c 'import time; hog = bytearray(600 << 20); time.sleep(6)'", {"mem_mb_per_cpu": 500},
    ),
    # Nextflow's own trap would leave 0.
    "hung up": Fault(("129", "0"), SAME_TIME, SAME_MEMORY, WAIT),
    "model killed": Fault(("137", "0"), SAME_TIME, MORE_MEMORY, "{first} kill -KILL $$; }"),
    "all processes killed": Fault((NO_STATUS, "0"), SAME_TIME, MORE_MEMORY, WAIT),
    "killed while it wrote its status": Fault(
        ("-1", "0"), SAME_TIME, MORE_MEMORY, "{first} : > $NXF_TASK_WORKDIR/.exitcode; sleep 300; }"
    ),
    "node drained and back": Fault(("0",), SAME_TIME[:1], SAME_MEMORY[:1], "", GPU),
    "node lost and back": Fault((NO_STATUS, "0"), SAME_TIME, MORE_MEMORY, WAIT, GPU),
    # Longer than exitReadTimeout: Nextflow must not take the job for lost.
    "moved to another partition": Fault(("0",), SAME_TIME[:1], SAME_MEMORY[:1], "sleep 20", GPU),
}  # fmt: skip


def strike(cluster: Cluster, launches: Launches, mark: Callable[[str], Path]) -> None:
    """Bring about all FAULTS that do not come by themselves. The node with GPUs is drained when this begins."""

    def begun(label: str) -> Job:
        wait_until(mark(label).exists, LONG, f"the model of {label}")
        return launches.job(label, "RUNNING")

    def control(*words: object) -> None:
        cluster.run("scontrol", *map(str, words))

    drained, lost = "node drained and back", "node lost and back"
    try:
        waiting = {label: launches.job(label, "PENDING") for label in FAULTS if FAULTS[label].resources == GPU}
        control("update", f"jobid={waiting['moved to another partition'].id}", "partition=normal")
        cluster.run("scancel", str(begun("cancelled while running").id))
        cluster.run("scancel", "--batch", "--signal=HUP", str(begun("hung up").id))
        cluster.kill_job(begun("all processes killed"))
        cluster.kill_job(begun("killed while it wrote its status"))
        # The one to be cancelled while it waits must not start with the others when their node is back.
        control("hold", waiting["cancelled while pending"].id)
        cluster.restore_node("gpus")
        launches.job(drained, "COMPLETED")
        cluster.lose_node("gpus", begun(lost))
        control("release", waiting["cancelled while pending"].id)
        cluster.run("scancel", str(waiting["cancelled while pending"].id))
        launches.job(lost, "NODE_FAIL")
    finally:
        cluster.restore_node("gpus")


@pytest.fixture(scope="module")
def by_hand(built, tmp_path_factory) -> dict[str, dict[str, bytes]]:
    """Init time → the forecast that every run of these tests must make."""
    root = tmp_path_factory.mktemp("by-hand")
    return {init_time: make_by_hand(built, root / init_time, date) for init_time, date in DATES.items()}


@pytest.fixture(scope="module")
def struck(cluster, built, tmp_path_factory) -> tuple[Launches, Result]:
    """A launch of a run per fault; each fault by itself, but in one launch: it is mostly waiting."""
    root = tmp_path_factory.mktemp("struck")

    def mark(label: str) -> Path:
        return root / label.replace(" ", "-")

    runs = {}
    for label, fault in FAULTS.items():
        first = f"[ -e {mark(label)} ] || {{ touch {mark(label)};"
        runs[label] = (fault.script.replace("{first}", first), fault.resources)
    launches = Launches(cluster, on_slurm(copy_workspace(built, root)), runs, 1)
    launches.workspace.options += ("--slurm_partition", "short")  # jobs of other faults not on the node that is lost
    cluster.run("scontrol", "update", "nodename=gpus", "state=drain", "reason=test")
    with meanwhile(lambda: strike(cluster, launches, mark)):
        result = launches.workspace.launch()
    return launches, result


def test_a_launch_survives_faults_of_jobs_and_nodes(struck):
    launches, result = struck
    assert result.status == 0, result.text
    assert launches.workspace.plan()["tasks"] == [], "all is complete"
    assert len(launches.jobs()) == sum(len(fault.exits) for fault in FAULTS.values())


@pytest.mark.parametrize("label", FAULTS)
def test_a_fault_costs_one_attempt_and_the_next_asks_for_more_of_what_lacked(struck, by_hand, label):
    launches, _ = struck
    fault = FAULTS[label]
    exits = launches.exits(label)
    assert len(exits) == len(fault.exits)
    assert all(status in wanted.split(" or ") for status, wanted in zip(exits, fault.exits, strict=True)), exits
    jobs = launches.jobs(label)
    assert tuple(job["TimeLimit"] for job in jobs) == fault.time
    assert tuple(job["MinMemoryCPU"] for job in jobs) == fault.memory
    assert [job.state for job in jobs].count("COMPLETED") == 1
    assert launches.forecasts(label) == {"199601150000": by_hand["199601150000"]}


def test_a_job_that_is_killed_each_time_is_named_with_its_log_and_made_later(cluster, slurm_workspace, by_hand):
    """Three attempts; the rest of the plan is made, and the next launch makes nothing else."""
    mended = slurm_workspace.root / "mended"
    killed = f'case "$*" in *T12:00*) [ -e {mended} ] || {{ scancel $SLURM_JOB_ID; sleep 60; }};; esac'
    launches = Launches(cluster, slurm_workspace, {"killed": (killed, {}), "fine": ("", {})})
    result = slurm_workspace.launch()
    assert result.status != 0
    assert sorted(launches.exits("killed")) == ["0", "143", "143", "143"] and launches.exits("fine") == ["0", "0"]
    assert launches.forecasts("fine") == by_hand
    assert launches.forecasts("killed") == {"199601150000": by_hand["199601150000"]}
    run_id = launches.run_ids["killed"]
    row = [row for row in slurm_workspace.trace() if row["exit"] == "143"][-1]
    folder = Path(row["workdir"])
    assert "CANCELLED" in (folder / ".command.log").read_text()
    log = folder / "unfinished" / "199601151200" / "forecast.log"
    assert "1996-01-15T12:00" in log.read_text()
    reason = "it was ended by signal 15, in each of 3 attempts"
    assert f"failed:\n  killed ({run_id}) 199601151200: {reason}\n    log: {log}\n" in result.text, result.text
    assert f"missing: {run_id}/199601151200" in result.text

    mended.touch()
    result = slurm_workspace.launch()
    assert (result.status, result.tasks) == (0, {"MAKE_PLAN": 1, "PREPARE_RUN": 1, "RUN_FORECAST": 1}), result.text
    assert launches.forecasts("killed") == launches.forecasts("fine") == by_hand


def test_a_broken_model_is_given_up_and_the_others_go_on(cluster, slurm_workspace):
    """Jobs of one run read what its former jobs have left on the shared file system."""
    launches = Launches(cluster, slurm_workspace, {"broken": ("exit 7", {}), "fine": ("", {})})
    dates = [f"1996-01-15T{hour:02}:00" for hour in (0, 6, 12, 18)]
    slurm_workspace.edit(lambda config: config.update(dates=dates))
    slurm_workspace.options += ("-queue-size", "1")
    result = slurm_workspace.launch()
    assert result.status != 0 and result.forecasts == 8, result.text
    assert len(launches.forecasts("fine")) == 4 and launches.exits("broken") == ["7", "7", "7", "1"]
    run_id = launches.run_ids["broken"]
    assert (
        f"\n  broken ({run_id}) 199601150000, 199601150600 and 1 more: the model ended with status 7\n" in result.text
    )
    assert f"  broken ({run_id}): 1 forecast: the run was given up" in result.text
    (left,) = [job for job in launches.jobs("broken") if "199601151800" in job["JobName"]]
    assert list(left.folder.glob("unfinished/*")) == [], "no model was begun"


def test_a_job_that_ends_without_a_status_each_time_ends_the_launch(cluster, slurm_workspace):
    """That is a cluster in trouble, and no model that fails."""
    lost = """
        pid=$$
        while [ "$(cat /proc/$pid/comm)" != slurmstepd ]; do
            pids="$pid $pids"
            pid=$(cut -d ' ' -f 4 /proc/$pid/stat)
        done
        kill -KILL $pids"""
    launches = Launches(cluster, slurm_workspace, {"lost": (lost, {})}, dates=1)
    result = slurm_workspace.launch()
    run_id = launches.run_ids["lost"]
    assert result.status != 0 and launches.exits("lost") == [NO_STATUS] * 3, result.text
    assert re.search(rf"Error executing process > .*\({run_id} 199601150000\)", result.text), result.text
    assert f"  lost ({run_id}) 199601150000: it ended without an exit status, in each of 3 attempts\n" in result.text


def slowly(slurm_workspace: SlurmWorkspace) -> None:
    """Let jobs be submitted over some seconds, so that there is a mid-run."""
    config = slurm_workspace.root / "slowly.config"
    config.write_text("executor.'$slurm'.submitRateLimit = '1/2sec'\n")
    slurm_workspace.options += ("-c", str(config))


def check_made_once(launches: Launches, result: Result, by_hand: dict, made: Path) -> None:
    """Check that all forecasts are there and right, with one attempt each. `made` has a line for each time a model ran."""
    assert result.status == 0, result.text
    for label in launches.runs:
        assert launches.exits(label) == ["0", "0"], label
        assert launches.forecasts(label) == by_hand, label
    assert launches.workspace.plan()["tasks"] == []
    assert len(made.read_text().splitlines()) == 2 * len(launches.runs)


def test_the_controller_is_stopped_for_a_minute_and_restarted(cluster, slurm_workspace, by_hand):
    """Meanwhile a job runs, one ends, others cannot be submitted."""
    made, stopped, back = (slurm_workspace.root / name for name in ("made", "stopped", "back"))
    script = f"""
        echo $SLURM_JOB_ID >> {made}
        if mkdir {slurm_workspace.root}/runs-through; then until [ -e {back} ]; do sleep 1; done; fi
        until [ -e {stopped} ]; do sleep 1; done"""
    launches = Launches(cluster, slurm_workspace, {name: (script, {}) for name in ("a", "b", "c")})
    slowly(slurm_workspace)

    def act():
        wait_until(lambda: made.exists() and len(made.read_text().splitlines()) == 2, LONG, "two jobs that run")
        cluster.stop_daemon("slurmctld")
        stopped.touch()
        time.sleep(60)
        cluster.start_daemon("slurmctld")
        wait_until(lambda: cluster.run("sinfo", "-h", check=False), LONG, "the controller")
        back.touch()

    with meanwhile(act):
        result = slurm_workspace.launch()
    assert "Unable to contact slurm controller" in result.text, "jobs were to be submitted while it was away"
    check_made_once(launches, result, by_hand, made)
    assert {job.state for job in launches.jobs()} == {"COMPLETED"} and len(launches.jobs()) == 6


def test_a_job_that_is_submitted_twice_since_the_controller_answers_late_works_once(cluster, slurm_workspace, by_hand):
    """sbatch gives up, Nextflow calls it again, and the controller then takes both."""
    made = slurm_workspace.root / "made"
    script = f"echo $SLURM_JOB_ID >> {made}; sleep 3"
    launches = Launches(cluster, slurm_workspace, {name: (script, {}) for name in ("a", "b", "c")})
    slowly(slurm_workspace)
    impatient = slurm_workspace.root / "slurm.conf"
    conf = (cluster.root / "slurm.conf").read_text()
    impatient.write_text(conf.replace("MessageTimeout=30", "MessageTimeout=3"))
    log = slurm_workspace.root / "launch" / ".nextflow.log"

    def act():
        wait_until(made.exists, LONG, "a job that runs")
        cluster.freeze_daemon("slurmctld")
        try:
            wait_until(lambda: "Failed to submit" in log.read_text(), LONG, "a submission that fails")
        finally:
            cluster.thaw_daemon("slurmctld")

    with meanwhile(act):
        result = slurm_workspace.launch(SLURM_CONF=str(impatient))
    assert "Socket timed out" in result.text
    check_made_once(launches, result, by_hand, made)
    assert len(launches.jobs()) > len({job.folder for job in launches.jobs()}) == 6, "no job was submitted twice"
