"""What jobs may ask for: resources of a run, and the defaults of the predecessor's profile."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, ConfigDict, Field, model_validator

from evalflow.config.fields import Count, Model, Natural, Runtime, Text, refuse
from evalflow.texts import show


def _check_slurm_name(name: str) -> str:
    # It becomes a word of a job script's head, where a blank would begin another option.
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.,@:+-]*", name):
        raise ValueError(f"got {show(name)}; allowed: a name as Slurm has them: letters, digits and _ . , @ : + -")
    return name


SlurmName = Annotated[str, AfterValidator(_check_slurm_name)]


def _also_gpus(schema: dict) -> None:
    schema["properties"]["gpus"] = {**schema["properties"]["gpu"], "description": "Another name of gpu."}


class InferenceResources(Model):
    """What a forecast's job asks for. It changes no identity and no result."""

    model_config = ConfigDict(json_schema_extra=_also_gpus)

    slurm_partition: SlurmName | None = Field(None, description="Slurm partition, e.g. short-shared.")
    cpus_per_task: Count | None = Field(None, description="CPUs per task.")
    mem_mb_per_cpu: Count | None = Field(None, description="Memory per CPU in MB.")
    runtime: Runtime | None = Field(
        None, description="Longest wall-clock time of the job; a plain number counts minutes."
    )
    gpu: Natural | None = Field(None, validation_alias=AliasChoices("gpu", "gpus"), description="GPUs of the job.")
    tasks: Count | None = Field(None, description="Slurm tasks of the job (--ntasks).")

    @model_validator(mode="before")
    @classmethod
    def _one_name_for_gpu(cls, data: Any) -> Any:
        if isinstance(data, dict) and "gpu" in data and "gpus" in data:
            raise refuse([(("gpus",), "means the same as gpu, which is given too; allowed: one of them")])
        return data


class DefaultResources(Model):
    """What a job asks for where nothing else says it."""

    slurm_partition: SlurmName = Field(description="Slurm partition.")
    cpus_per_task: Count = Field(description="CPUs per task.")
    mem_mb_per_cpu: Count = Field(description="Memory per CPU in MB.")
    runtime: Runtime = Field(description="Longest wall-clock time of a job; a plain number counts minutes.")
    slurm_account: SlurmName | None = Field(None, description="Slurm account that is charged.")
    gpus: Natural | None = Field(None, description="GPUs per job.")


class GlobalResources(Model):
    """What all jobs together may use."""

    gpus: Count = Field(description="GPUs in use at a time over all jobs.")


class Profile(Model):
    """How evalml ran the workflow.

    Its resources become the defaults of the Slurm profile, and its GPUs the most in use at a time.
    One warning names what evalflow does not use.
    """

    executor: Text = Field(
        description="What ran the jobs, such as slurm. evalflow does not use it: give Nextflow a `-profile`."
    )
    global_resources: GlobalResources = Field(description="What all jobs together may use.")
    default_resources: DefaultResources = Field(description="What a job asks for where nothing else says it.")
    jobs: Count = Field(description="Jobs at a time. evalflow does not use it: give Nextflow a `-queue-size`.")
    batch_rules: dict[Text, Count] = Field(
        {},
        description="How many jobs of a kind went into one submission. evalflow does not use it: see "
        "`--inits_per_task`.",
    )
