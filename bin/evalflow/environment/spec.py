"""What the plan says of an environment: all that its steps work from."""

from pathlib import Path
from typing import Any

from pydantic import Field

from evalflow.checkpoints.base import Checkpoint
from evalflow.documents import Document
from evalflow.runners.base import Asked


class EnvironmentSpec(Document):
    """An environment to be built."""

    env_id: str = Field(description="Name of the environment.")
    folder: Path = Field(description="`{store}/runs/{env_id}`.")
    images: Path = Field(description="Folder of the store that holds the images.")
    sha256: str = Field(description="Full digest of `identity`.")
    identity: dict[str, Any] = Field(description="Exactly what env_id was hashed from.")
    checkpoint: Checkpoint = Field(description="The checkpoint as it was named and what that came to.")
    runner: str = Field(description="What makes forecasts: anemoi, onnx or command.")
    requirements: list[str] = Field(description="Packages to install, where the checkpoint records none.")
    extra_requirements: list[str] = Field(description="Packages that go before those that the checkpoint records.")
    python: str | None = Field(None, description="Python version that the config asks for.")
    torch_backend: str = Field(description="The build of PyTorch, or auto.")
    disable_local_eccodes_definitions: bool = Field(description="Whether COSMO's ecCodes definitions are left out.")
    platform: str = Field(description="Platform that the environment is for, such as linux-x86_64.")
    recipe: int = Field(description="Version of how environments are built.")
    asked: list[Asked] = Field([], description="What runs ask of the checkpoint.")
    squash_venv: bool = Field(description="Whether the image is one SquashFS file, or a folder.")
