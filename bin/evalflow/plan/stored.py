"""What of a plan is in the store: look, report, and (where asked to) move damaged things aside."""

import os
from dataclasses import dataclass
from pathlib import Path

from evalflow.checkpoints.local import LocalFile
from evalflow.digests import file_digest
from evalflow.environment.image import check_image
from evalflow.errors import UserError
from evalflow.identity import Run, refuse_collision
from evalflow.inference.proof import check_forecast
from evalflow.plan.options import Options
from evalflow.requirements import read_lock
from evalflow.store.files import bad_name, compare_file, read_json, replace_link, set_aside
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


@dataclass(frozen=True)
class FoundEnvironment:
    """What the store has of an environment: whether it is complete and, where that is known, its image_id."""

    complete: bool
    image_id: str | None = None


class Stored:
    """What of the plan is in the store: looks, reports, and (where asked to) moves damaged things aside."""

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
        """Move an environment's files (not the forecasts of its runs, which are below the same folder) to one place."""
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
        """Return what is wrong with an image, or None; it is set aside once, however many environments share it."""
        if image not in self.checked_images:
            whole = image.exists()
            problem = check_image(image, self.options.verify_store) if whole else f"{image.name} is missing"
            self.checked_images[image] = problem
            # An image without a proof may be one that another launch is finishing right now: BUILD_IMAGE proves it.
            if problem and proof_of(image).exists():
                self.warnings.append(f"{image}: {problem}")
                self._set_aside(image)
                self._set_aside(proof_of(image))
        return self.checked_images[image]

    def _mend_checkpoint(self, folder: Path, run: Run) -> bool:
        """Point the link to a local checkpoint at where its content is now. Return whether the link is known to be right then."""
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
        seal = read_json(folder / ENVIRONMENT_SEAL)
        if seal is not None and "identity" in seal:
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

    def _sealed_problem(self, folder: Path, seal: dict | None, known: set[str]) -> str | None:
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
                if problem is None and read_json(proof_of(image)).get("sha256") != proof["sha256"]:
                    problem = f"its image {image.name} is another one"
            else:
                problem = compare_file(folder / name, proof, self.options.verify_store)
            if problem:
                return problem
        return None

    def _check_unsealed(self, folder: Path, known: set[str]) -> None:
        """Of an environment that is not finished, keep what is whole: the rest must not be built upon."""
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

    def _set_forecast_aside(self, folder: Path, problem: str) -> None:
        why = f"{FORECAST_SEAL} is missing" if problem == "missing" else problem
        aside = f"moved aside to {set_aside(folder).name}, to be" if self.options.repair else "to be moved aside and"
        self.warnings.append(f"{folder}: {why}; {aside} made again")

    def check_forecasts(self, run: Run, init_times: list[str]) -> list[bool]:
        """Return for every init time whether its forecast is complete."""
        folder = run_folder(self.data, run.run_id)
        try:
            present = set(os.listdir(folder))
        except OSError:
            return [False] * len(init_times)
        run_digest = run.run_digest
        about = read_json(folder / RUN_FILE)
        if about is not None and "identity" in about:
            refuse_collision(run.run_id, about["identity"], run.run_identity)
        complete = []
        for init_time in init_times:
            problem = "missing"
            if init_time in present and not self.options.stub:
                problem = check_forecast(folder / init_time, run_digest, self.options.verify_store)
                if problem is not None:
                    self._set_forecast_aside(folder / init_time, problem)
            complete.append(problem is None)
        return complete


def _is_whole(seal: dict | None) -> bool:
    """Return whether an `env.json` says all that SEAL_ENVIRONMENT writes into it."""
    files = seal.get("files") if seal else None
    if not isinstance(files, dict) or not isinstance(seal.get("image_id"), str):
        return False
    needed = {CHECKPOINT, METADATA, LOCK}
    proofs = all(isinstance(proof, dict) and {"size", "sha256"} <= proof.keys() for proof in files.values())
    return proofs and needed <= files.keys() and not files.keys().isdisjoint(IMAGE_LINKS.values())
