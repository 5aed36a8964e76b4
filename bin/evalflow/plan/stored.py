"""Look into the store for what is planned, report it, and (on request) set damaged things aside."""

import os
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evalflow.checkpoints.local import LocalFile
from evalflow.digests import file_digest
from evalflow.environment.image import check_image
from evalflow.errors import UserError, describe_os_error
from evalflow.identity import Run, refuse_collision
from evalflow.inference.publish import StoredRun
from evalflow.plan.options import Options
from evalflow.requirements import read_lock
from evalflow.store.files import bad_name, compare_file, read_json, replace_link, set_aside
from evalflow.store.forecasts import list_made
from evalflow.store.layout import (
    CHECKPOINT,
    ENVIRONMENT_FILES,
    ENVIRONMENT_SEAL,
    FORECAST_SEAL,
    IMAGE_LINKS,
    LOCK,
    METADATA,
    RUN_FILE,
    environment_folder,
    image_name,
    images_folder,
    proof_of,
    run_folder,
)

_SHOWN = 5


@dataclass(frozen=True)
class FoundEnvironment:
    """What the store has of an environment: is it complete, and its image_id where known."""

    complete: bool
    image_id: str | None = None


class Stored:
    """Looks into the store for what is planned. On request, sets damaged things aside."""

    def __init__(self, data: Path, options: Options) -> None:
        self.data = data
        self.options = options
        self.warnings: list[str] = []
        self.checked_images: dict[Path, str | None] = {}

    def _set_aside(self, path: Path) -> None:
        if os.path.lexists(path):
            if self.options.repair:
                self.warnings.append(f"{path}: moved aside to {set_aside(path).name}")
            else:
                self.warnings.append(f"{path}: damaged; a launch moves it aside")

    def _set_environment_aside(self, folder: Path, reason: str) -> None:
        """Set an environment's files aside, to one place.

        The forecasts of its runs, which are below the same folder, stay.
        """
        present = [name for name in ENVIRONMENT_FILES if os.path.lexists(folder / name)]
        if not self.options.repair:
            self.warnings.append(f"{folder}: {reason}; a launch moves it aside and builds it again")
            return
        target = bad_name(folder)
        try:
            target.mkdir()
            for name in reversed(present):
                try:
                    (folder / name).rename(target / name)
                except FileNotFoundError:
                    pass  # another launch has moved it
        except OSError as error:
            raise UserError(
                f"{folder}: {reason}, and it cannot be moved aside: {error.strerror}; repair or remove it"
            ) from None
        self.warnings.append(f"{folder}: {reason}; moved aside to {target.name}, to be built again")

    def _image(self, image_id: str, squash: bool) -> Path:
        return Path(os.path.realpath(images_folder(self.data))) / image_name(image_id, squash)

    def _image_problem(self, image: Path) -> str | None:
        """Return what is wrong with an image, or None.

        It is set aside once, however many environments share it.
        """
        if image not in self.checked_images:
            whole = image.exists()
            problem = check_image(image, self.options.verify_store) if whole else f"{image.name} is missing"
            self.checked_images[image] = problem
            # Another launch may be finishing an image that has no proof: BUILD_IMAGE writes the
            # proof.
            if problem and proof_of(image).exists():
                self.warnings.append(f"{image}: {problem}")
                self._set_aside(image)
                self._set_aside(proof_of(image))
        return self.checked_images[image]

    def _mend_checkpoint(self, folder: Path, run: Run) -> bool:
        """Point the link to a local checkpoint at where its content is now.

        Return whether the link is known to be right afterwards.
        """
        link = folder / CHECKPOINT
        if not link.is_symlink() or not run.checkpoint.sha256 or not LocalFile().accepts(run.checkpoint.uri):
            return False
        try:
            whole = file_digest(link) == run.checkpoint.sha256
        except UserError:
            whole = False
        if whole:
            return True
        if self.options.repair:
            try:
                replace_link(link, run.checkpoint.location)
            except OSError:  # a store to read only, which serves what it has
                pass
        self.warnings.append(
            f"{link}: its target was moved or changed; the same checkpoint is at {run.checkpoint.location}"
        )
        return True

    def check_environment(self, env_id: str, run: Run, squash: bool) -> FoundEnvironment:
        """Return what the store has of an environment."""
        if self.options.stub:
            return FoundEnvironment(complete=False)  # its files are empty, and are to be gone through again
        folder = environment_folder(self.data, env_id)
        seal = read_json(folder / ENVIRONMENT_SEAL) or {}
        if "identity" in seal:
            refuse_collision(env_id, seal["identity"], run.env_identity)
        known = {CHECKPOINT} if self._mend_checkpoint(folder, run) else set()
        if not os.path.lexists(folder / ENVIRONMENT_SEAL):
            self._check_unsealed(folder, known)
            return FoundEnvironment(complete=False)
        problem = self._sealed_problem(folder, seal, known)
        if problem:
            self._set_environment_aside(folder, problem)
            return FoundEnvironment(complete=False)
        image = self._image(seal["image_id"], squash)
        complete = image.exists() and self._image_problem(image) is None
        return FoundEnvironment(complete, seal["image_id"])

    def _sealed_problem(self, folder: Path, seal: dict, known: set[str]) -> str | None:
        """Return what is wrong with a sealed environment, or None; files in `known` are whole."""
        if not _is_whole(seal):
            return f"{ENVIRONMENT_SEAL} is not whole"
        for name, proof in seal["files"].items():
            if name in known:
                continue
            if name in IMAGE_LINKS.values():
                target = os.readlink(folder / name) if (folder / name).is_symlink() else name
                image = Path(os.path.normpath(Path(os.path.realpath(folder)) / target))
                problem = self._image_problem(image)
                if problem is None and (read_json(proof_of(image)) or {}).get("sha256") != proof["sha256"]:
                    problem = f"its image {image.name} is another one"
            else:
                problem = compare_file(folder / name, proof, self.options.verify_store)
            if problem:
                return problem
        return None

    def _check_unsealed(self, folder: Path, known: set[str]) -> None:
        """Keep what is whole of an unfinished environment: nothing must be built upon the rest."""
        lock = folder / LOCK
        if os.path.lexists(lock):
            locked = read_lock(lock)
            if locked is None:
                self._set_aside(lock)
            else:
                for squash in (True, False):
                    self._image_problem(self._image(locked["image_id"], squash))
        if os.path.lexists(folder / METADATA) and read_json(folder / METADATA) is None:
            self._set_aside(folder / METADATA)
        checkpoint = folder / CHECKPOINT
        if checkpoint.name in known:
            return
        if os.path.lexists(checkpoint) and (not checkpoint.exists() or checkpoint.stat().st_size == 0):
            self._set_aside(checkpoint)

    def _free_name(self, stored: StoredRun, init_time: str, problem: str, then: str) -> None:
        """Take a forecast's name from what is not whole. Say so, and what follows."""
        name = stored.folder / init_time
        if problem == "missing":
            problem = f"{FORECAST_SEAL} is missing" if name.exists() else "what it leads to is gone"
        if not self.options.repair:
            self.warnings.append(f"{name}: {problem}; to be {'moved aside and ' if name.exists() else ''}{then}")
            return
        with suppress(OSError):  # a store to read only: that something is missing in it is an error of its own
            aside = stored.free_name(init_time)
            self.warnings.append(f"{name}: {problem}; {f'moved aside to {aside.name}, ' if aside else ''}to be {then}")

    def _is_complete(self, stored: StoredRun, init_time: str, present: bool, made: list[Path]) -> bool:
        """Return whether a forecast is whole and has its name. A whole one without it gets it."""
        problem = stored.problem(init_time) if present else "missing"
        if problem is None:
            return True
        whole = stored.first_whole(made)
        if present:
            self._free_name(stored, init_time, problem, "replaced by another one" if whole else "made again")
        if whole is None or not self.options.repair:
            return whole is not None
        try:
            stored.give_name(init_time, whole)
        except OSError as error:
            self.warnings.append(f"{whole}: is whole, but cannot be given its name: {describe_os_error(error)}")
            return False
        return stored.problem(init_time) is None

    def _report_spare(self, stored: StoredRun, spare: list[Path]) -> None:
        if spare:
            size = sum(path.stat().st_size for folder in spare for path in folder.rglob("*") if path.is_file())
            shown = shlex.join(["rm", "-r", *map(str, spare[:_SHOWN])])
            more = f" (and {len(spare) - _SHOWN} more: plan again then)" if len(spare) > _SHOWN else ""
            self.warnings.append(
                f"{stored.folder}: {len(spare)} forecasts ({size / 1e6:,.1f} MB) have no name, since another launch made "
                f"the same; when no launch runs, remove them: {shown}{more}"
            )

    def check_forecasts(self, run: Run, init_times: list[str]) -> list[bool]:
        """Return for every init time whether its forecast is complete."""
        folder = run_folder(self.data, run.run_id)
        try:
            present = set(os.listdir(folder))
        except OSError:
            return [False] * len(init_times)
        stored = StoredRun(folder, run.run_digest, self.options.verify_store)
        about = read_json(folder / RUN_FILE)
        if about is not None and "identity" in about:
            refuse_collision(run.run_id, about["identity"], run.run_identity)
        if self.options.stub:
            return [False] * len(init_times)
        made = list_made(stored.folder)
        complete = [self._is_complete(stored, time, time in present, made.get(time, [])) for time in init_times]
        done = [time for time, whole in zip(init_times, complete, strict=True) if whole]
        made = list_made(stored.folder)  # as it is by now
        self._report_spare(stored, [path for time in done for path in stored.list_spare(time, made.get(time, []))])
        return complete


def _is_whole(seal: dict) -> bool:
    """Return whether an `env.json` says all that SEAL_ENVIRONMENT writes into it."""
    files = seal.get("files")
    if not isinstance(files, dict) or not isinstance(seal.get("image_id"), str):
        return False
    needed = {CHECKPOINT, METADATA, LOCK}
    proofs = all(isinstance(proof, dict) and {"size", "sha256"} <= proof.keys() for proof in files.values())
    return proofs and needed <= files.keys() and not files.keys().isdisjoint(IMAGE_LINKS.values())
