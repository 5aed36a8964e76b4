"""Sections of the config about a site: where to write, and external verification tools."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from evalflow.config.fields import Folder, Model, Number, Text


class MecConfig(Model):
    """Observation files for MEC, where a site has it."""

    ekf_root: Text = Field(description="Folder of the EKF files, {ekf_root}/{YYYYMM}/ekfSYNOP_{init}00.nc.")
    mon_synop_root: Text = Field(
        description="Folder of the monitoring files, {mon_synop_root}/{YYYYMMDDH}/monSYNOP.nc."
    )
    ver_synop_root: Text = Field(
        description="Folder of the reference verification files, {ver_synop_root}/verSYNOP_{init}00.nc."
    )


def _member_text(value: Any) -> Any:
    # An unquoted -1 is a number to YAML.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Ffv2Config(Model):
    """Settings of FFV2, where a site has it. Lists inside text are separated by commas."""

    experiment_ids: Text = Field(description="Experiment ids, separated by commas.")
    veri_ens_member: Annotated[Text, BeforeValidator(_member_text, json_schema_input_type=str | int)] = Field(
        description="Ensemble member per experiment id, separated by commas; -1 for a deterministic run."
    )
    catthresholds: dict[Text, list[Number]] = Field(description="Thresholds of the categorical scores per variable.")
    pecthresholds: dict[Text, Annotated[dict[Literal["lower", "upper"], Number], Field(min_length=1)]] = Field(
        description="Bounds of the percentage of correct forecasts per variable."
    )
    experiment_description: Text = Field(description="Short description, written into the output files.")
    file_description: Text = Field(description="Part of the output files' names.")
    domain_table: Text = Field(description="Path of the table of domains (polygons).")
    blacklists: Text = Field(description="Folder of the station blacklists.")


class Locations(Model):
    """Where things are written."""

    output_root: Folder = Field("output", validate_default=True, description="Folder that all output goes to.")
