"""The runner `anemoi`: environments from a checkpoint's provenance, forecasts by anemoi-inference.

anemoi-utils records the provenance when a model is trained: the version of Python,
`module_versions` (module → version, or → version and source), `distribution_names` (module → name
of the package, where the two differ) and `git_versions` (module → commit of the checkout that it
was imported from).
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from evalflow.errors import UserError
from evalflow.requirements import TORCH_BUILD
from evalflow.runners.anemoi_output import output_doubts, output_mistakes
from evalflow.runners.anemoi_task import asked_of, unfit
from evalflow.runners.base import ForecastRequest, Installed, Runner, common_settings
from evalflow.texts import show

PINNED = (
    "anemoi-datasets",
    "anemoi-graphs",
    "anemoi-models",
    "lightning",
    "pytorch-lightning",
    "torch",
    "torch-geometric",
)
"""Packages to install as in training: loading a model needs the code that made it."""
GIVE_WAY = ("anemoi-transform", "anemoi-utils")
"""Packages to install as in training where that goes with the rest: newer ones may have lost what an older anemoi-inference
needs."""
OPTIONAL = (
    "apex", "flash-attn", "natten", "pyg-lib", "torch-cluster", "torch-scatter", "torch-sparse", "transformer-engine",
    "xformers",
)  # fmt: skip
"""Packages that models use where they are installed, and that nothing requires: without them, a model may end with an error
or compute in another way. They need compilers, or fit one build of PyTorch, so they are not installed unasked."""
ADDED = ("anemoi-inference",)
ECCODES = "eccodes"
LOCAL_ECCODES = ("eccodes>=2.44.0,<2.48.0", "eccodes-cosmo-resources-python==2.44.0.1")
"""ecCodes with the COSMO definitions, in versions that go together."""
_MONOREPO = "anemoi-core"
_IN_MONOREPO = ("anemoi-graphs", "anemoi-models", "anemoi-training", "hydra-plugins-anemoi-")
"""How names of packages and of modules begin that have their code in it: anemoi-training brings plugins of hydra."""
_SUFFICE = frozenset({"anemoi-models", "torch"})
"""A run whose extra_requirements name one of these says itself what its checkpoint needs."""
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_LOCAL_COMMIT = re.compile(r"\+(?:.*\.)?g([0-9a-f]{7,40})(\.d[0-9]+)?$")
_SCP_URL = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)")
_PYTHON = re.compile(r"3\.[0-9]{1,2}(?:\.[0-9]{1,3})?")


@dataclass(frozen=True)
class _Package:
    """A package as in training: recorded version, and source (`git+URL@COMMIT…`) if known."""

    name: str
    version: str
    source: str | None = None
    changed: bool = False


def _mapping(data: object) -> Mapping:
    return data if isinstance(data, Mapping) else {}


def _provenance(metadata: dict) -> Mapping:
    """Return a checkpoint's training provenance: nothing where it does not say which packages it needs."""
    provenance = _mapping(metadata.get("provenance_training"))
    return provenance if _mapping(provenance.get("module_versions")) else {}


def _what_is_unknown(metadata: dict) -> str:
    """Return why a checkpoint does not say what it was trained with."""
    if "provenance_training" not in metadata:
        return "its metadata has no provenance_training, so what it was trained with is unknown"
    if not _provenance(metadata):
        return "its provenance_training records no module_versions, so what it was trained with is unknown"
    return f"its provenance_training records none of {', '.join(PINNED)}, and no model runs without torch"


def _https(url: str) -> str:
    """Return a Git repository's public URL: HTTPS where GitHub has it, without credentials."""
    scp = _SCP_URL.fullmatch(url)
    if scp:
        url = f"ssh://git@{scp[1]}/{scp[2]}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UserError(f"its provenance_training records {show(url)}, which is no URL") from None
    if host == "github.com":
        return f"https://github.com{parts.path}"
    if parts.scheme in {"http", "https"}:
        return urlunsplit((parts.scheme, f"{host}:{port}" if port else host, parts.path, "", ""))
    return url


def _repository(name: str) -> str:
    """Return the name of the repository that holds the code of a package."""
    return _MONOREPO if name.startswith(_IN_MONOREPO) else name


def _git_source(name: str, commit: str, remotes: object = None) -> str:
    """Return where to get a commit of an anemoi package: a recorded remote, else ECMWF."""
    repository, url = _repository(name), f"https://github.com/ecmwf/{_repository(name)}"
    for remote in remotes if isinstance(remotes, list) else []:
        base = str(remote).rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
        if base in {repository, name}:
            repository, url = base, _https(str(remote))
            break
    inside = repository == _MONOREPO
    return f"git+{url}@{commit}" + (f"#subdirectory={name.removeprefix('anemoi-')}" if inside else "")


def _recorded_source(name: str, source: Mapping) -> str | None:
    """Return the Git source in what pip or uv recorded of an installation (PEP 610), or None."""
    vcs = _mapping(source.get("vcs_info"))
    commit = str(vcs.get("commit_id", ""))
    url = str(source.get("url") or "")
    if vcs.get("vcs") != "git" or not _COMMIT.fullmatch(commit):
        return None
    if url.startswith(("file:", "/")):  # a clone on the machine of the training
        return _git_source(name, commit) if name.startswith("anemoi-") else None
    folder = f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""
    return f"git+{_https(url)}@{commit}{folder}"


def _sources_by_commit(checkouts: Mapping, names: Mapping[str, str]) -> dict[str, set[str]]:
    """Return commit → the repositories that it is recorded for."""
    repositories: dict[str, set[str]] = {}
    for module, about in checkouts.items():
        commit = str(_mapping(_mapping(about).get("git")).get("sha1", ""))
        repositories.setdefault(commit, set()).add(_repository(names[module]))
    return repositories


def _checkout_source(name: str, version: str, git: Mapping, trusted: bool) -> tuple[str | None, bool]:
    """Return the Git source of an anemoi package from a checkout, and whether it had changes.

    Parameters
    ----------
    version : as recorded; setuptools-scm puts a checkout's commit into it
    git : what was recorded of the checkout
    trusted : whether `git` is of the package's own repository
    """
    commit = str(git.get("sha1", ""))
    if trusted and _COMMIT.fullmatch(commit):
        return _git_source(name, commit, git.get("remotes")), bool(git.get("modified_files"))
    local = _LOCAL_COMMIT.search(version)
    return (_git_source(name, local[1]), bool(local[2])) if local else (None, False)


def _version(about: object) -> str:
    """Return the version in what is recorded of a module."""
    return about if isinstance(about, str) else str(_mapping(about).get("version") or "")


def _names(provenance: Mapping) -> dict[str, str]:
    """Return module → name of its package."""
    modules = {*_mapping(provenance["module_versions"]), *_mapping(provenance.get("git_versions"))}
    recorded = _mapping(provenance.get("distribution_names"))
    return {module: canonicalize_name(str(recorded.get(module, module))) for module in sorted(modules)}


def _packages(provenance: Mapping) -> list[_Package]:
    """Return the packages of PINNED and GIVE_WAY that the provenance records."""
    versions, checkouts = _mapping(provenance["module_versions"]), _mapping(provenance.get("git_versions"))
    names = _names(provenance)
    # A virtual environment inside some repository once made anemoi-utils record that repository's
    # commit for every module. No commit belongs to two repositories: one that is recorded for
    # several says nothing.
    repositories = _sources_by_commit(checkouts, names)
    packages = []
    for module, name in names.items():
        if name not in PINNED + GIVE_WAY:
            continue
        about = versions.get(module)
        version = _version(about)
        source, changed = _recorded_source(name, _mapping(_mapping(about).get("source"))), False
        if source is None and name.startswith("anemoi-"):
            git = _mapping(_mapping(checkouts.get(module)).get("git"))
            trusted = len(repositories.get(str(git.get("sha1", "")), ())) == 1
            source, changed = _checkout_source(name, version, git, trusted)
        if version or source:
            packages.append(_Package(name, version, source, changed))
    return packages


def _pin(package: _Package) -> tuple[str, str | None]:
    """Return the requirement for a package as in training, and a warning where it differs."""
    name, version = package.name, package.version
    if package.source:
        changes = f"{name} was trained with changes that are not in its commit; the commit is installed"
        return f"{name} @ {package.source}", changes if package.changed else None
    try:
        parsed = Version(version)
    except InvalidVersion:
        shown = show(version)[1:-1]
        return name, f"{name} has no version in the checkpoint's provenance ({shown}); one that fits is installed"
    # The anemoi packages publish no post-releases: theirs count the commits since a release.
    if parsed.is_prerelease or (parsed.is_postrelease and name.startswith("anemoi-")):
        base = parsed.base_version
        return (
            f"{name}=={base}",
            f"{name} {version.strip()} of the training is a development version; {base} is installed",
        )
    return f"{name}=={parsed.public}", None


def _pins(metadata: dict) -> list[tuple[str, str | None]]:
    provenance = _provenance(metadata)
    packages = _packages(provenance) if provenance else []
    if not any(package.name in PINNED for package in packages):
        return []
    by_name = {package.name: package for package in packages}  # of a package's modules, all say the same
    return [_pin(by_name[name]) for name in sorted(by_name)]


def requirements(metadata: dict, local_definitions: bool, chosen: frozenset[str] = frozenset()) -> list[str]:
    """Return what the environment of a checkpoint needs, as PEP 508 texts.

    Parameters
    ----------
    metadata : what the checkpoint says of itself
    local_definitions : whether ecCodes gets the COSMO definitions
    chosen : names of the packages in the run's extra_requirements

    Raises
    ------
    UserError
        Where the checkpoint does not say what it was trained with, and the run does not either.
    """
    if metadata.keys() <= {"format"}:
        what = "not an anemoi checkpoint: no ZIP archive with anemoi-metadata/anemoi.json in it"
        raise UserError(f"{what}; for a model of another kind, set runner: onnx or runner: command")
    pins = _pins(metadata)
    if not pins and not chosen & _SUFFICE:
        raise UserError(
            f"{_what_is_unknown(metadata)}; name what it needs in extra_requirements (anemoi-models==…, torch==…), or, for "
            "a model of another kind, set runner: onnx or runner: command"
        )
    eccodes = LOCAL_ECCODES if local_definitions else (ECCODES,)
    return [*(text for text, _ in pins), *ADDED, *eccodes]


def python_version(metadata: dict) -> str | None:
    """Return the version of Python that a model was trained with, or None if unknown."""
    match = _PYTHON.match(str(_mapping(metadata.get("provenance_training")).get("python", "")))
    return match[0] if match else None


def _installed_build(packages: Mapping[str, str]) -> str | None:
    """Return the build of PyTorch in a lock: its suffix, else what it needs; None without PyTorch."""
    version = packages.get("torch")
    if version is None:
        return None
    if "+" in version:
        return version.partition("+")[2]
    for name, runtime in packages.items():
        if name.startswith("nvidia-cuda-runtime"):
            return "cu" + "".join(runtime.split(".")[:2])
    return "cpu"


def _other_build(version: str, installed: Installed) -> Iterator[str]:
    """Yield a warning where another build of PyTorch than in training is installed, unasked."""
    recorded = re.match(rf"({TORCH_BUILD})(?![0-9])", version.partition("+")[2])
    build = _installed_build(installed.packages)
    if recorded and build and installed.torch_backend == "auto" and not build.startswith(recorded[1]):
        yield (
            f"torch {version} of the training is a build for {recorded[1]}, and one for {build} is installed; to have "
            f"that of the training: torch_backend: {recorded[1]}"
        )


def _absent(provenance: Mapping, installed: Installed) -> Iterator[str]:
    """Yield a warning for each recorded package that a model may use and that is not installed."""
    names = _names(provenance)
    versions = {names[module]: _version(about) for module, about in _mapping(provenance["module_versions"]).items()}
    for name in OPTIONAL:
        if name in versions and name not in installed.packages:
            try:
                pin = f"{name}=={Version(versions[name]).public}"
            except InvalidVersion:
                pin = name
            yield f"{name} of the training is not installed; if the model uses it: extra_requirements: [{pin}]"


def _gave_way(pins: Mapping[str, str], installed: Installed) -> Iterator[str]:
    """Yield a warning for each package that is installed in another version than in training."""
    for name in GIVE_WAY:
        there, pin = installed.packages.get(name), pins.get(name)
        if there and pin and there not in (pin.partition("==")[2], pin.partition(" @ ")[2]) and pin != name:
            yield f"{pin} of the training does not go with the rest; {name} {there} is installed"


def warnings(metadata: dict, installed: Installed) -> list[str]:
    """Return how an environment differs from that of the training, though nobody asked for it."""
    found = {re.split(r"[ =@]", text, maxsplit=1)[0]: (text, warning) for text, warning in _pins(metadata)}
    if not found:
        return [f"{_what_is_unknown(metadata)}; what extra_requirements names is installed"]
    unasked = {name: pair for name, pair in found.items() if name not in installed.chosen}
    lines = [warning for _, warning in unasked.values() if warning]
    provenance = _provenance(metadata)
    if "torch" in unasked:
        lines += _other_build(_version(_mapping(provenance["module_versions"]).get("torch")), installed)
    lines += _gave_way({name: text for name, (text, _) in unasked.items()}, installed)
    return lines + list(_absent(provenance, installed))


def command(job: ForecastRequest) -> list[str]:
    """Return the command line of a forecast."""
    return ["anemoi-inference", "run", str(job.config)]


def same_fields(config: dict) -> bool:
    """Return whether all lead times after the start have the same fields.

    They do not if single outputs have frequencies of their own.
    """

    def has_frequency(data: object) -> bool:
        if isinstance(data, dict):
            return "output_frequency" in data or any(map(has_frequency, data.values()))
        return isinstance(data, list) and any(map(has_frequency, data))

    return not has_frequency(config.get("output"))


def parallel(config: dict, task: str | None, gpus: int, output: str) -> dict:
    """Return the inference config for a model that is split over several GPUs of one node.

    anemoi-inference starts the processes itself (its cluster `manual`): that works in a batch job
    as on any machine. Its cluster `slurm` needs one process per GPU started by srun, each of which
    would have to mount the image.

    Parameters
    ----------
    config : the inference config; what it says of `runner.parallel` stays
    task : the task in the checkpoint's metadata, which says what runner is behind the parallel one
    gpus : number of GPUs
    output : folder of the forecast; gives each forecast a port of its own, for several on one node
    """
    runner = config.get("runner")
    name, options = next(iter(runner.items())) if isinstance(runner, dict) and runner else (runner, None)
    if name == "parallel":
        options = dict(options) if isinstance(options, dict) else {"base_runner": options} if options else {}
    else:
        # `auto` cannot be split: it is a choice among runners.
        base = name if name not in {None, "auto"} else task if task not in {None, "forecaster"} else "default"
        options = {"base_runner": base, **(options if isinstance(options, dict) else {})}
    port = 20000 + zlib.crc32(output.encode()) % 10000
    return {**config, "runner": {"parallel": {"cluster": {"manual": {"world_size": gpus, "port": port}}, **options}}}


RUNNER = Runner(
    "anemoi",
    version=1,
    requirements=requirements,
    imports=("anemoi.inference.commands.run", "anemoi.inference.runners.default", "eccodes", "torch"),
    settings=common_settings,
    overrides=frozenset({"checkpoint", "date", "lead_time"}),
    command=command,
    python=python_version,
    warnings=warnings,
    gives_way=frozenset(GIVE_WAY),
    parallel=parallel,
    rewrites=True,
    mistakes=output_mistakes,
    doubts=output_doubts,
    unfit=unfit,
    asked_of=asked_of,
    same_fields=same_fields,
)
