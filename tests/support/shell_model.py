"""A run whose model is a shell script of the test's."""

import faulthandler
import os
import sys
from pathlib import Path

import eccodes
from evalflow.digests import file_digest
from evalflow.inference.prepare import ForecastTask, prepare_run
from evalflow.inference.proof import check_forecast
from evalflow.inference.task import run_forecasts
from evalflow.store.forecasts import list_made
from evalflow.store.layout import MADE, UNFINISHED

from support.specs import make_run_spec

SCRIPT = "run_forecast.py"
TIMES = ["202401010000", "202401010600", "202401011200"]
WHOLE = 'cp "$samples/lead-0.grib" "$samples/lead-6.grib" "$1"'
DIGEST = "f" * 64
HANG = 'sleep 60 & echo $$ $! > "$1/pids.tmp"; mv "$1/pids.tmp" "$1/pids"; wait'


def grib(lead: int, init_time: str = TIMES[0], **keys) -> bytes:
    message = eccodes.GRIBMessage.from_samples("regular_ll_sfc_grib2")
    message.set({"dataDate": int(init_time[:8]), "dataTime": int(init_time[8:]), "step": lead, **keys})
    return message.get_buffer()


def end_by(number: int) -> None:
    """End this process by a signal, as a library does that is at a loss, without a word of Python's."""
    faulthandler.disable()
    os.kill(os.getpid(), number)


class Model:
    """A run whose model does for each init time what a test says.

    That is a shell script; $1 is the output folder, $samples has fields of the init time.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = root / "output"
        self.image = root / "environment"  # an environment as a folder
        (self.image / "bin").mkdir(parents=True)
        (self.image / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
        self.samples = root / "samples" / TIMES[0]
        (root / "checkpoint").write_text("weights")
        # What to do is looked up by the name of the output folder, which is the init time as the store has it.
        (root / "model.sh").write_text(
            f'time=$(basename "$1"); samples="{root}/samples/$time"; . "{root}/does-$time"\n'
        )
        for init_time in TIMES:
            self.does(init_time, WHOLE)
        self.spec = make_run_spec(
            root / "store",
            checkpoint=file_digest(root / "checkpoint"),
            command=["sh", "-c", f'. "{root}/model.sh"', "sh", "{output}"],
            config="scale: 1.0\nname: $(x)\n",
        )
        prepare_run(self.spec, root / "prepared")

    def change(self, **fields) -> None:
        """Change the spec, as another plan would."""
        self.spec = self.spec.model_copy(update=fields)

    def does(self, init_time: str, script: str) -> None:
        samples = self.root / "samples" / init_time
        if not samples.exists():
            samples.mkdir(parents=True)
            for lead in (0, 6):
                (samples / f"lead-{lead}.grib").write_bytes(grib(lead, init_time))
        (self.root / f"does-{init_time}").write_text(script)

    @property
    def store(self) -> Path:
        """The run's folder in the store."""
        return self.spec.folder

    @property
    def unfinished(self) -> Path:
        """Where forecasts are made."""
        return self.output / UNFINISHED

    def run(self, *init_times: str, **options) -> int:
        """Make forecasts here and return the exit status."""
        files = (self.root / "prepared" / "inference.yaml", self.root / "checkpoint", self.image)
        try:
            run_forecasts(ForecastTask(self.spec, *files, list(init_times), self.output, **options))
        except SystemExit as end:
            return end.code
        return 0

    def words(self, *init_times: str, at_once: int = 1) -> list:
        """Return the command line that makes forecasts."""
        files = {"inference": "prepared/inference.yaml", "checkpoint": "checkpoint"}
        files |= {"image": self.image.name, "output": self.output.name}
        options = [word for name, path in files.items() for word in (f"--{name}", self.root / path)]
        return [SCRIPT, *options, "--init_times", ",".join(init_times), "--at_once", str(at_once)]

    def names(self) -> set[str]:
        return {path.name for path in self.output.iterdir()}

    def stored(self) -> dict[str, Path]:
        """Return init time → its forecast in the store, named or not, after a check that each is whole and there is one."""
        made = list_made(self.store)
        assert all(len(paths) == 1 for paths in made.values()), made
        found = {init_time: path for init_time, (path,) in made.items()}
        assert sorted(path.name for path in self.store.glob(f"{MADE}/*")) == sorted(p.name for p in found.values())
        assert all(check_forecast(path, self.spec.sha256, verify=True) is None for path in found.values())
        return found

    def publish(self) -> None:
        """Do what Nextflow does when the task has ended: copy links to the run's folder, where nothing has their names."""
        for link in self.output.glob("[0-9]*"):
            if link.exists() and not os.path.lexists(self.store / link.name):
                os.symlink(os.readlink(link), self.store / link.name)
