"""A real Slurm on this machine: munge, a controller and two nodes on loopback, everything in one folder.

All of it runs in a PID namespace of its own, whose first process reads a pipe that the tests hold. When the tests end,
however they end, the pipe closes and the kernel ends all in the namespace: daemons, jobs, and what jobs left behind.
Jobs see the machine's files; the namespace has its own `/proc`, and mounts made outside reach it.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT

LONG = 120
"""Seconds that may pass until something is seen, on a machine that has other things to do."""
GPUS = 8
"""GPUs of the second node. The first has none."""
CPUS = 16
"""CPUs of a node: more than the machine may have, so that jobs do not wait for each other by accident."""

_DAEMONS = {"munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client"}
_TOOLS = {"unshare": "util-linux", "nsenter": "util-linux"}
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
# Init: reaps what is orphaned, and ends when the tests do.
_FIRST = "import signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); sys.stdin.read()"
_SPACE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "slave", "--"]
# All are stopped before the first is killed: none can say how another ended. Slurm's own, the one named after the job, goes
# last: the kernel hangs up, and wakes, stopped processes that nobody is left to watch over.
_KILL_JOB = r"""
for folder in /proc/[0-9]*; do
    if [ "$2" ] && grep -qs "^slurmstepd: \[$1\." $folder/cmdline; then
        step="$step ${folder#/proc/}"
    elif grep -qsz "^SLURM_JOB_ID=$1\$" $folder/environ; then
        job="$job ${folder#/proc/}"
    fi
done
kill -STOP $step $job
kill -KILL $job  # some were ending anyway
[ ! "$step" ] || kill -KILL $step
true
"""

# batch_sched_delay to bf_min_age_reserve: jobs start at once. MinJobAge: records stay until the tests have read them.
# OverMemoryKill: what cgroups do on real clusters. EnforcePartLimits: what can never start is refused.
_CONF = """
ClusterName=evalflow
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmctldPidFile={root}/slurmctld.pid
SlurmctldLogFile={root}/slurmctld.log
StateSaveLocation={root}/state
SlurmdPidFile={root}/slurmd-%n.pid
SlurmdLogFile={root}/slurmd-%n.log
SlurmdSpoolDir={root}/spool-%n
SlurmdParameters=config_overrides
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,bf_min_age_reserve=0
EnforcePartLimits=ALL
ReturnToService=2
MinJobAge=7200
KillWait=5
MessageTimeout=30
InactiveLimit=0
NodeName=plain NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} RealMemory=64000
NodeName=gpus NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cpus} RealMemory=64000 Gres=gpu:{gpus}
PartitionName=normal Nodes=plain,gpus Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=plain MaxTime=60 State=UP
PartitionName=gpu Nodes=gpus MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Return why no cluster can be started here, or None."""
    if os.geteuid() != 0:
        return "a Slurm of its own needs root"
    missing = [package for tool, package in (_DAEMONS | _TOOLS).items() if shutil.which(tool, path=_PATH) is None]
    if missing:
        return f"not installed: {', '.join(dict.fromkeys(missing))}"
    done = subprocess.run([*_SPACE, "true"], capture_output=True, text=True)
    return f"no PID namespace can be made here: {done.stderr.strip()}" if done.returncode else None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Let `act` do its work during this block; fail as it does."""
    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(act)
        yield
    acting.result()


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until `condition` holds.

    Raises
    ------
    TimeoutError
        Where it does not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.1)


@dataclass(frozen=True)
class Job:
    """What Slurm knows of a job, as `scontrol show job` writes it."""

    record: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.record[name]

    @property
    def id(self) -> int:
        return int(self.record["JobId"])

    @property
    def state(self) -> str:
        return self.record["JobState"]

    @property
    def folder(self) -> Path:
        """The folder that the job works in: Nextflow's task folder."""
        return Path(self.record["WorkDir"])

    @property
    def gpus(self) -> int:
        text = self.record.get("TresPerNode", "") + self.record.get("TresPerJob", "")
        match = re.search(r"gpu[:=](\d+)", text)
        return int(match[1]) if match else 0


@dataclass
class Cluster:
    """A Slurm that runs. `variables` is what clients need in their environment."""

    root: Path
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.root / "slurm.conf"), "PATH": _PATH}

    def _write_files(self) -> None:
        host = socket.gethostname().split(".")[0]
        for name in ("state", "spool-plain", "spool-gpus"):
            (self.root / name).mkdir()
        text = _CONF.format(root=self.root, host=host, ports=_free_ports(3), cpus=CPUS, gpus=GPUS)
        (self.root / "slurm.conf").write_text(text)
        for number in range(GPUS):
            os.mknod(self.root / f"gpu{number}", 0o20666, os.makedev(1, 3))  # /dev/null by another name
        devices = f"NodeName=gpus Name=gpu File={self.root}/gpu[0-{GPUS - 1}]\n"
        (self.root / "gres.conf").write_text(f"AutoDetect=off\n{devices}")
        key = self.root / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)

    def _first(self) -> str:
        """Return the number of the namespace's first process, or nothing as long as there is none."""
        parent = self.processes["space"].pid
        return Path(f"/proc/{parent}/task/{parent}/children").read_text().strip()

    def _inside(self, *command: str) -> list[str]:
        return ["nsenter", "-t", self._first(), "--pid", "--mount", "--", *command]

    def start_daemon(self, name: str) -> None:
        """Start `munged`, `slurmctld`, `plain` or `gpus` (the slurmd of that node)."""
        commands = {
            "munged": [
                "munged", "--foreground", "--force", f"--socket={self.root}/munge.socket",
                f"--key-file={self.root}/munge.key", f"--pid-file={self.root}/munged.pid",
                f"--seed-file={self.root}/munge.seed",
            ],
            "slurmctld": ["slurmctld", "-D"],
            "plain": ["slurmd", "-D", "-N", "plain"],
            "gpus": ["slurmd", "-D", "-N", "gpus"],
        }  # fmt: skip
        with open(self.root / f"{name}.out", "a") as log:
            self.processes[name] = subprocess.Popen(
                self._inside(*commands[name]), env={**os.environ, **self.variables}, cwd=self.root,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def _signal(self, name: str, signal: str) -> None:
        """Send a signal to a daemon. `nsenter` stays between: the signal is for what it started."""
        pid = {"munged": "munged.pid", "slurmctld": "slurmctld.pid"}.get(name, f"slurmd-{name}.pid")
        number = (self.root / pid).read_text().strip()
        subprocess.run(self._inside("kill", f"-{signal}", number), check=True)

    def stop_daemon(self, name: str, signal: str = "TERM") -> None:
        """Stop a daemon; jobs go on without it."""
        self._signal(name, signal)
        self.processes.pop(name).wait(timeout=60)

    def freeze_daemon(self, name: str) -> None:
        """Let a daemon answer nobody until it is thawed: it takes requests meanwhile, and works on them then."""
        self._signal(name, "STOP")

    def thaw_daemon(self, name: str) -> None:
        self._signal(name, "CONT")
        self.processes[name].send_signal(SIGCONT)  # nsenter stops itself when what it started is stopped

    def kill_job(self, job: Job, with_step: bool = False) -> None:
        """Kill all processes of a job by SIGKILL; and what watches over them on the node, so that Slurm is told nothing."""
        words = ["sh", "-c", _KILL_JOB, "sh", str(job.id), "with step" if with_step else ""]
        subprocess.run(self._inside(*words), check=True)

    def lose_node(self, name: str, job: Job) -> None:
        """Let a node go down with the job that it runs, and Slurm notice."""
        self.stop_daemon(name, "KILL")
        self.kill_job(job, with_step=True)
        self.run("scontrol", "update", f"nodename={name}", "state=down", "reason=lost")

    def restore_node(self, name: str) -> None:
        """Bring a node back that was drained, or went down."""
        if name not in self.processes:
            self.start_daemon(name)
        self.run("scontrol", "update", f"nodename={name}", "state=resume", check=False)  # refused where it is up
        wait_until(lambda: self.run("sinfo", "-h", "-n", name, "-t", "idle,alloc,mix"), 60, f"node {name} is back")

    def start(self) -> None:
        """Start everything and wait until jobs can run."""
        self._write_files()
        self.processes["space"] = subprocess.Popen(
            [*_SPACE, sys.executable, "-I", "-c", _FIRST],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        wait_until(self._first, 10, "a PID namespace")
        wait_until(self._mounted, 10, "/proc of the PID namespace")
        self.start_daemon("munged")
        wait_until((self.root / "munge.socket").exists, 20, "munged")
        for name in ("slurmctld", "plain", "gpus"):
            self.start_daemon(name)
        wait_until(self._ready, 60, f"a Slurm that is ready (logs: {self.root})")

    def _mounted(self) -> bool:
        done = subprocess.run(self._inside("readlink", "/proc/self"), capture_output=True, text=True)
        return done.stdout.strip().isdigit()

    def _ready(self) -> bool:
        for name, process in self.processes.items():
            if process.poll() is not None:
                said = (self.root / f"{name}.out").read_text()[-500:]
                raise RuntimeError(f"{name} ended with status {process.returncode}: {said}")
        done = self.run("sinfo", "-h", "-N", "-o", "%N %T", check=False)
        return {"plain idle", "gpus idle"} == set(done.split("\n")) - {""}

    def stop(self) -> None:
        """End everything: daemons, jobs, and what jobs left behind."""
        space = self.processes.get("space")
        if space:
            space.stdin.close()
            try:
                space.wait(timeout=20)
            except subprocess.TimeoutExpired:
                space.kill()  # --kill-child: its child, and the namespace with it
                space.wait()
        for process in self.processes.values():
            process.wait(timeout=20)
        self.processes.clear()

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command of Slurm's and return what it printed."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def jobs(self) -> list[Job]:
        """Return all jobs that there ever were, in the order of their submission."""
        text = self.run("scontrol", "show", "job", "-o")
        lines = [line for line in text.splitlines() if line.startswith("JobId=")]
        # Values hold blanks at times: a new field begins where a word and '=' follow one.
        records = [dict(re.findall(r"(\S+?)=(.*?)(?=\s+\S+?=|\s*$)", line)) for line in lines]
        return sorted((Job(record) for record in records), key=lambda job: job.id)
