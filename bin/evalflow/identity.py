"""Who is who: env_id, run_id, the ids of other sources, verif_id, experiment_id.

All ids are pure functions of the validated config and of the content that it points at. Canonical
form first, hash second. A field at its default is not hashed: a new field renames nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from evalflow.checkpoints.base import Checkpoint
from evalflow.config.archives import BaselineConfig, ForecastsConfig, TruthConfig
from evalflow.config.command import NamedCommand
from evalflow.config.experiment import ExperimentConfig
from evalflow.config.fields import Model
from evalflow.config.grids import GridConfig
from evalflow.config.inference import InferenceConfig
from evalflow.config.model import ConfigModel
from evalflow.config.runs import RunConfig
from evalflow.config.times import as_hours, parse_steps
from evalflow.digests import canonical, digest, file_digest
from evalflow.errors import UserError
from evalflow.host import target_platform
from evalflow.lookup import Lookup, canonical_path
from evalflow.requirements import identify_requirement

ID_LENGTH = 8
RECIPE_VERSION = 1
"""Version of how environments are built. Raise it if the same lock would give another one."""


@dataclass(frozen=True)
class Run:
    """A run of the config with its identities.

    Attributes
    ----------
    model_type : "forecaster" or "temporal_downscaler"
    config : the validated run entry
    checkpoint, inference, command : what the entry points at, resolved
    requirements : field → texts to install
    env_identity, run_identity : what is hashed
    forecaster : the run that a temporal downscaler reads, if any
    candidate : whether the config lists it itself (a mere dependency gets no report of its own)
    keys : its entries in the config (`runs[0].forecaster`); several if it is named more than once
    """

    model_type: str
    config: RunConfig
    checkpoint: Checkpoint
    inference: InferenceConfig
    command: NamedCommand
    requirements: dict[str, list[str]]
    env_identity: dict
    run_identity: dict
    env_id: str
    run_id: str
    candidate: bool
    forecaster: "Run | None" = None
    keys: tuple[str, ...] = ()

    @property
    def env_digest(self) -> str:
        """Full digest of what the env_id is the hash of."""
        return digest(self.env_identity)

    @property
    def run_digest(self) -> str:
        """Full digest of what the run_id is the hash of."""
        return digest(self.run_identity)


def env_entry_hash(env_identity: dict) -> str:
    """Return the hash part of an env_id (8 hex digits)."""
    return digest(env_identity)[:ID_LENGTH]


def run_specific_hash(run_identity: dict) -> str:
    """Return the hash part of a run_id (8 hex digits)."""
    return digest(run_identity)[:ID_LENGTH]


def flat_id(run_id: str) -> str:
    """Return the run_id as one name, for where a path is not possible."""
    return run_id.replace("/", "-")


def _steps(steps: str) -> list[int | float]:
    """Return first and last lead time and step in hours: `0/33/6` and `0/30/6` are the same."""
    leads = parse_steps(steps)
    return [as_hours(minutes) for minutes in (leads[0], leads[-1], leads.step)]


def _changed_fields(config: RunConfig, names: frozenset[str]) -> dict[str, Any]:
    """Return the fields of `names` that differ from their defaults."""
    fields = type(config).model_fields
    values = {name: getattr(config, name) for name in names if name in fields}
    return {
        name: value for name, value in values.items() if value != fields[name].get_default(call_default_factory=True)
    }


def identify_requirements(config: RunConfig, lookup: Lookup, key: str) -> dict[str, dict[str, str]]:
    """Return field → what a requirement is hashed as → the text to install."""
    return {
        name: dict(
            identify_requirement(text, lookup, f"{key}.{name}[{index}]")
            for index, text in enumerate(getattr(config, name))
        )
        for name in ("requirements", "extra_requirements")
    }


def _own_fields(config: RunConfig) -> frozenset[str]:
    """Return the fields of a run that are hashed as they are."""
    hashed_otherwise = RunConfig.ENV_FIELDS | RunConfig.HASH_EXCLUDE | {"config", "steps", "forecaster"}
    return frozenset(type(config).model_fields) - hashed_otherwise


def env_id_of(checkpoint: Checkpoint, identity: dict, forecaster: Run | None) -> str:
    """Return the id of an environment; a downscaler's says what it refines."""
    on = "" if "on" not in identity else f"-on-{forecaster.env_id if forecaster else 'analysis'}"
    return f"{identity['model_type']}-{checkpoint.model_id}-{env_entry_hash(identity)}{on}"


def environment_identity(
    model_type: str, config: RunConfig, checkpoint: Checkpoint, requirements: dict[str, dict[str, str]]
) -> dict:
    """Return what an environment is; of a downscaler, `on` is what it refines.

    Parameters
    ----------
    requirements : as `identify_requirements` returns them
    """
    return {
        "model_type": model_type,
        "checkpoint": checkpoint.identity,
        "platform": target_platform(),
        "recipe": RECIPE_VERSION,
        **_changed_fields(config, RunConfig.ENV_FIELDS - {"checkpoint"}),
        **{name: sorted(pairs) for name, pairs in requirements.items() if pairs},
    }


def run_identity(env_identity: dict, config: RunConfig, inference: dict, runner_version: int) -> dict:
    """Return what a run is, but for the forecaster that it refines.

    Parameters
    ----------
    inference : identity of the inference config
    """
    return {
        "env": digest(env_identity),
        "steps": _steps(config.steps),
        "config": inference,
        **_changed_fields(config, _own_fields(config)),
        **({"runner_version": runner_version} if runner_version != 1 else {}),
    }


def refuse_collision(name: str, first: dict, second: dict) -> None:
    """Stop where two different identities would share one id.

    Raises
    ------
    UserError
        With both identities.
    """
    if digest(first) != digest(second):
        raise UserError(
            f"{name}: two different things have the same id; move one of them to another output_root\n"
            f"  one:   sha256:{digest(first)} {canonical(first)}\n"
            f"  other: sha256:{digest(second)} {canonical(second)}"
        )


def _differing(model: Model, *, include: Iterable[str] | None = None, exclude: Iterable[str] = ()) -> dict[str, Any]:
    """Return as JSON what of a model differs from the defaults."""
    names = set(type(model).model_fields if include is None else include) - set(exclude)
    return model.model_dump(mode="json", exclude_defaults=True, include=names)


def baseline_identity(config: BaselineConfig, lookup: Lookup) -> dict:
    """Return what is read of a baseline, and how.

    `steps` of a built-in baseline count only where the config has them: else it takes the lead
    times of the others, and each of these that comes or goes would rename it.
    """
    part = _differing(config, exclude=BaselineConfig.HASH_EXCLUDE | {"root", "steps", "member"})
    if config.root is not None:
        part |= {"root": canonical_path(config.root, lookup), "member": config.member}
    return part | ({"steps": _steps(config.steps)} if config.steps else {})


def forecasts_identity(config: ForecastsConfig, lookup: Lookup) -> dict:
    """Return what is read of forecasts made elsewhere, and how."""
    part = _differing(config, exclude=ForecastsConfig.HASH_EXCLUDE | {"root", "steps"})
    return {"root": canonical_path(config.root, lookup), "steps": _steps(config.steps), **part}


def _unordered(data: Any) -> Any:
    """Return `data` with all lists sorted: the order of params or regions does not count."""
    if isinstance(data, dict):
        return {key: _unordered(value) for key, value in data.items()}
    if not isinstance(data, list):
        return data
    plain = [item for item in data if not isinstance(item, dict)]
    return sorted(plain) + sorted((item for item in data if isinstance(item, dict)), key=canonical)


def _located(part: dict, lookup: Lookup, *names: str) -> dict:
    """Return a part of an identity with the paths at some names in one spelling."""
    return part | {name: canonical_path(part[name], lookup) for name in names if name in part}


def _truth_identity(truth: TruthConfig, lookup: Lookup) -> str | dict:
    """Return what is read of a truth, and how: its path, where that says it all."""
    part = _differing(truth, exclude=TruthConfig.HASH_EXCLUDE)
    if "command" in part:
        # A program or a file that the command names is the same from wherever it is called.
        files = {word for word in part["command"] if (path := lookup.find(word)) and path.is_file()}
        part["command"] = [canonical_path(word, lookup) if word in files else word for word in part["command"]]
    part = _located(part, lookup, "root", "stations")
    return part["root"] if part.keys() == {"root"} else part


def _regions_identity(stratification: dict, lookup: Lookup) -> dict:
    """Return the regions, their files in one spelling."""
    part = _located(stratification, lookup, "root")
    if "regions" in part:
        regions = part["regions"]
        part["regions"] = [one if isinstance(one, str) else _located(one, lookup, "file") for one in regions]
    return part


def _grids_identity(grids: list[GridConfig], lookup: Lookup) -> dict[str, str]:
    """Return number of points or UUID → digest of the file with the coordinates."""
    digests = {}
    for index, grid in enumerate(grids):
        key = f"grids[{index}].file"
        path = lookup.require(grid.file, key)
        try:
            digests[str(grid.name)] = file_digest(path)
        except UserError as error:
            raise UserError(f"{key}: {error}") from None
    return digests


COMPARING = ("verification_grid", "mapping", "max_distance", "weights")
"""Keys of `experiment` that say how a source meets the truth: another value, another verif_id."""
SAMPLE = ("domain", "common_sample", "min_coverage")
"""Keys of `experiment` that say which points and pairs count."""


def verification_identity(config: ConfigModel, lookup: Lookup) -> dict:
    """Return what changes a verification number: truth, params, thresholds, regions, corrections.

    `lapse_rate_correction` was true before it was `auto`, and a default is not hashed, so neither
    is hashed now. Where both give numbers, these agree: where `auto` does not correct, `true` is an
    error.
    """
    part = _differing(config.experiment, include=("params", "thresholds", "stratification", *COMPARING, *SAMPLE))
    if "stratification" in part:
        part["stratification"] = _regions_identity(part["stratification"], lookup)
    part = {name: value if name == "domain" else _unordered(value) for name, value in part.items()}
    truths = [_truth_identity(truth, lookup) for truth in config.truths()]
    if truths:
        part["truth"] = truths[0] if len(truths) == 1 else sorted(truths, key=canonical)
    if config.lapse_rate_correction is False:
        part["lapse_rate_correction"] = False
    if config.grids:
        part["grids"] = _grids_identity(config.grids, lookup)
    return part


@dataclass(frozen=True)
class Comparison:
    """What was found of a truth and of the points that are verified.

    Attributes
    ----------
    archive : the archive's own UUID, or None: then what the config says of it stands for it
    format : what it is read as
    grid : digest of its grid or of its stations
    domain : digest of the points that are verified
    reader, statistics : declared versions of the code that reads and sums up; 1 is not hashed
    """

    archive: str | None
    format: str
    grid: str
    domain: str
    reader: int = 1
    statistics: int = 1


def comparison_parts(truth: TruthConfig, experiment: ExperimentConfig, lookup: Lookup) -> dict[str, Any]:
    """Return what the config says of a comparison: `truth`, `told` of its content, `comparing`.

    Of stations, the digest of a grid says which they are, wherever their table lies.
    """
    placed = truth.model_copy(update={"stations": None})
    return {
        "truth": _truth_identity(placed, lookup),
        "told": _differing(truth, include=("columns", "units")),
        "comparing": _differing(experiment, include=COMPARING),
    }


def comparison_identity(parts: dict[str, Any], found: Comparison) -> dict:
    """Return how forecasts are compared with a truth: what a verif_id is the hash of.

    Labels, dates, params, thresholds, regions, the lapse-rate correction, and how far an archive
    reaches are not part of it.
    """
    known = {"uuid": found.archive, **parts["told"]} if found.archive else parts["truth"]
    versions = {"reader": found.reader, "statistics": found.statistics}
    return {
        "truth": known,
        "format": found.format,
        "grid": found.grid,
        "domain": found.domain,
        **parts["comparing"],
        **{name: version for name, version in versions.items() if version != 1},
    }


def verif_id(identity: dict) -> str:
    """Return the id of a comparison, which is the name of a folder."""
    return f"verif-{digest(identity)[:ID_LENGTH]}"


def master_hash(config: ConfigModel, runs: dict[str, Run], lookup: Lookup) -> str:
    """Return the hash of an experiment_id: runs, baselines, verification, dates; no labels."""
    parts = {
        "runs": sorted(run.run_digest for run in runs.values() if run.candidate),
        "baselines": sorted({digest(baseline_identity(baseline, lookup)) for baseline in config.baselines()}),
        "verification": verification_identity(config, lookup),
        "dates": [time.isoformat() for time in config.init_times()],
    }
    external = [entry for _, entry in config.participants() if isinstance(entry, ForecastsConfig)]
    if external:  # like any optional part: where there is none, it renames nothing
        parts["forecasts"] = sorted({digest(forecasts_identity(entry, lookup)) for entry in external})
    return digest(parts)[:ID_LENGTH]
