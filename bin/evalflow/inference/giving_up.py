"""Give a run up whose first forecasts all fail, so that a broken model burns no night of GPUs.

Tasks leave a mark for each forecast that fails, in a folder that the tasks of one launch share. A
task looks at the marks of its run before it mounts anything.
"""

import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evalflow.inference.publish import StoredRun

MOST_FAILURES = 3
"""A run of which so many forecasts have failed, and none was ever made, is given up."""
RETRIED = frozenset({104, *range(129, 146)})
"""Statuses after which Nextflow tries a task once more, and how often it tries: conf/base.config."""
TRIES = 3
GIVEN_UP = "given_up.txt"
"""File of a task that lists the init times which it did not begin, since their run is given up."""


@dataclass(frozen=True)
class Failures:
    """The forecasts of one run that have failed in one launch.

    Attributes
    ----------
    folder : where their marks are; without it, nothing is marked and nothing given up. A mark is an
        empty file, `{init_time}`, or `{init_time}.{random}` for a try that Nextflow repeats
    run : what the store has of the run
    """

    folder: Path | None
    run: StoredRun

    def add(self, init_time: str, status: int) -> None:
        """Mark that a forecast has failed, by the exit status of its model or of its task."""
        if self.folder is None:
            return
        name = f"{init_time}.{uuid.uuid4().hex}" if status in RETRIED else init_time
        with suppress(OSError):  # a full disk, say: what fails already must not fail for its mark
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / name).touch()

    def list_failed(self) -> list[str]:
        """Return the init times of forecasts that have failed and are not tried again."""
        marks = [path.name for path in self.folder.glob("[0-9]*")] if self.folder else []
        tries = Counter(name.split(".")[0] for name in marks)
        return sorted(init_time for init_time, count in tries.items() if init_time in marks or count >= TRIES)

    def reason_to_give_up(self) -> str | None:
        """Return why no more forecasts of the run should be begun, or None.

        A forecast of the run in the store shows that its model works, whichever launch made it.
        """
        failed = self.list_failed()
        if len(failed) < MOST_FAILURES or self.run.has_forecasts():
            return None
        return (
            f"given up for this launch: its first forecasts failed ({', '.join(failed[:MOST_FAILURES])}), none was made"
        )
