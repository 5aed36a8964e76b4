"""What the plan says of a run: all that its steps work from."""

from pathlib import Path
from typing import Any

from pydantic import Field

from evalflow.documents import Document


class Resources(Document):
    """What a model sees as `resources/` in its working folder."""

    linked: dict[str, str] = Field({}, description="Name → absolute path of what it links to.")
    rewritten: dict[str, str] = Field(
        {}, description="Name → text of a named file, with the files that it names located."
    )


class RunSpec(Document):
    """A run whose forecasts are to be made."""

    run_id: str = Field(description="Name of the run, `{env_id}/{config_hash}`.")
    env_id: str = Field(description="The environment that it runs in.")
    folder: Path = Field(description="`{store}/runs/{run_id}`.")
    model_type: str = Field(description="forecaster or temporal_downscaler.")
    runner: str = Field(description="What makes forecasts: anemoi, onnx or command.")
    sha256: str = Field(description="Full digest of `identity`.")
    identity: dict[str, Any] = Field(description="Exactly what run_id was hashed from.")
    lead_times: list[int | float] = Field(description="Lead times in hours.")
    step: int | float = Field(description="Hours between lead times.")
    command: list[str] = Field([], description="The program and its arguments, with the runner command.")
    config: str = Field(description="The inference config as YAML text: JSON would change keys that are numbers.")
    checkpoint: str | None = Field(None, description="SHA-256 of the checkpoint, where it is known.")
    files: dict[str, str] = Field({}, description="File that the inference config names → where it was found.")
    digests: dict[str, str] = Field(
        {}, description="Input file → the SHA-256 that it must have when a forecast is made."
    )
    resources: Resources = Field(Resources(), description="What the model sees as `resources/`.")
    disable_local_eccodes_definitions: bool = Field(description="Whether COSMO's ecCodes definitions are left out.")
    torch_backend: str = Field(description="The build of PyTorch, or auto.")
    code: str = Field(description="Digest of evalflow's code, so that -resume serves no result of other code.")
