"""What an address of MLflow's pages names: a run, a logged model, or a registered model.

What an address names is what is used, or it is refused. Pages of MLflow 1 to 3 are known.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from evalflow.checkpoints.remote import check_url, origin, shown
from evalflow.errors import UserError

ALLOWED = (
    "https://HOST/PREFIX#/experiments/ID/runs/RUN[/artifacts/FILE.ckpt], https://HOST/PREFIX#/experiments/ID/models/m-MODEL, "
    "https://HOST/PREFIX#/models/NAME[/versions/N] or https://HOST/PREFIX#/models/NAME@ALIAS"
)
_RUN = re.compile(r"(?:experiments/([\w.-]+)/)?runs/([A-Za-z0-9][\w-]{3,255})(?:/(.+))?", re.ASCII)
_LOGGED = re.compile(r"experiments/([\w.-]+)/models/(m-[0-9a-f]{32})(?:/(.+))?", re.ASCII)
_MODEL = re.compile(r"models/([^/@]+)(?:@([^/@]+)|/versions/([1-9][0-9]{0,9})|/details|/serving)?")


@dataclass(frozen=True)
class Reference:
    """What an MLflow URL names: a run or a logged model (and an artefact), or a registered model.

    Attributes
    ----------
    tracking : URL of the server, in one spelling
    server : the same without the scheme
    artifact : path of a file of the run or of the logged model
    logged : id of a logged model (MLflow 3)
    model, version, alias : a registered model; without a version and an alias its newest version
    """

    tracking: str
    server: str
    experiment: str | None = None
    run: str | None = None
    artifact: str | None = None
    model: str | None = None
    version: int | None = None
    logged: str | None = None
    alias: str | None = None

    @property
    def moves(self) -> bool:
        """Whether it means something else tomorrow."""
        return self.model is not None and self.version is None

    @property
    def name(self) -> str:
        """What people call it."""
        if self.run:
            return f"run {self.run}"
        return f"logged model {self.logged}" if self.logged else f"version {self.version} of the model {self.model}"

    @property
    def url(self) -> str:
        """The URL that names the same thing."""
        if self.run or self.logged:
            tail = f"/artifacts/{quote(self.artifact)}" if self.artifact else ""
            experiment = f"experiments/{self.experiment}/" if self.experiment else ""
            return f"{self.tracking}#/{experiment}{f'runs/{self.run}' if self.run else f'models/{self.logged}'}{tail}"
        assert self.model is not None  # parse_reference
        tail = f"/versions/{self.version}" if self.version else f"@{quote(self.alias, safe='')}" if self.alias else ""
        return f"{self.tracking}#/models/{quote(self.model, safe='')}{tail}"

    @property
    def identity(self) -> dict:
        """What is named, whatever the server is called today."""
        # A UUID is the same run under every name of the server. Ids that people chose may exist on
        # several servers.
        artifact = {"artifact": self.artifact} if self.artifact else {}
        if self.run:
            unique = re.fullmatch(r"[0-9a-f]{32}", self.run)
            return {"mlflow": f"run {self.run}", **({} if unique else {"server": self.server}), **artifact}
        if self.logged:
            return {"mlflow": f"logged model {self.logged}", **artifact}
        return {"mlflow": f"model {self.model} version {self.version}", "server": self.server}


def _artifact_of(page: str | None, uri: str, key: str) -> str | None:
    """Return the file that a page of a run or of a logged model names, None where it names none.

    Raises
    ------
    UserError
        Where it names a folder, or a file that is no checkpoint.
    """
    tab, _, path = unquote(page or "").partition("/")
    if tab not in ("artifacts", "artifactPath") or not path.strip("/"):
        return None
    if not path.endswith(".ckpt"):
        allowed = "the path of a .ckpt after /artifacts/, or the address without /artifacts/…, which means its only checkpoint"
        raise UserError(f"{key}: {shown(uri)} names {path}, which is no .ckpt; allowed: {allowed}")
    return path


def parse_reference(uri: str, key: str) -> Reference:
    """Return what an MLflow URL names. Tabs of a page (metrics, traces …) name what the page does.

    Raises
    ------
    UserError
        Where it names nothing that has one checkpoint.
    """
    parts = check_url(uri, key)
    path = parts.path.rstrip("/")
    server = f"{origin(parts)}{path}"
    tracking = f"{parts.scheme}://{server}"
    page, _, query = parts.fragment.partition("?")
    page = page.strip("/")
    workspace = "workspace=" in f"{parts.query}&{query}"  # its names are not those of the others
    if not workspace and not parts.query:
        if run := _RUN.fullmatch(page):
            return Reference(tracking, server, experiment=run[1], run=run[2], artifact=_artifact_of(run[3], uri, key))
        if logged := _LOGGED.fullmatch(page):
            artifact = _artifact_of(logged[3], uri, key)
            return Reference(tracking, server, experiment=logged[1], logged=logged[2], artifact=artifact)
        if model := _MODEL.fullmatch(page):
            alias = unquote(model[2]) if model[2] else None
            version = int(model[3]) if model[3] else None
            return Reference(tracking, server, model=unquote(model[1]), alias=alias, version=version)
    what = (
        "no run, logged model or registered model of MLflow" if not workspace else "something in a workspace of MLflow"
    )
    raise UserError(f"{key}: names {what}: {shown(uri)}; allowed: {ALLOWED}")
