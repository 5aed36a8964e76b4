"""Coordinates of grids whose messages carry none: the key `grids`, and a site's list like it."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError, model_validator

from evalflow.config.fields import Count, Model, Text, refuse
from evalflow.config.messages import describe, problems
from evalflow.errors import UserError
from evalflow.fields.specs import GridFile
from evalflow.lookup import Lookup
from evalflow.texts import check_texts, show
from evalflow.yamlio import read_yaml


def _check_uuid(value: object) -> str:
    plain = value.strip().replace("-", "").lower() if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9a-f]{32}", plain):
        raise ValueError(f"got {show(value)}; allowed: a UUID of 32 hexadecimal digits, as text")
    return plain


class GridConfig(Model):
    """The coordinates of a grid that messages name by its number of points or its UUID."""

    points: Count | None = Field(None, description="Number of points of the grid. Either this or `uuid`.")
    uuid: Annotated[str, BeforeValidator(_check_uuid, json_schema_input_type=str)] | None = Field(
        None, description="UUID of the grid (GRIB's uuidOfHGrid). Either this or `points`."
    )
    file: Text = Field(
        description="File with the coordinates, and the elevation where it has it: GRIB (CLAT, CLON, HSURF) or NetCDF."
    )

    @model_validator(mode="after")
    def _one_name(self) -> "GridConfig":
        if (self.points is None) == (self.uuid is None):
            what = "holds points and uuid" if self.points is not None else "holds neither points nor uuid"
            raise refuse([((), f"{what}; allowed: one of them, and file")])
        return self

    @property
    def name(self) -> int | str:
        """What messages call the grid: its number of points or its UUID."""
        return self.points or str(self.uuid)


def _unique_grids(grids: list[GridConfig]) -> list[GridConfig]:
    names = [grid.name for grid in grids]
    repeated = [index for index, name in enumerate(names) if name in names[:index]]
    if repeated:
        raise refuse([((index,), f"another grid has {show(names[index])}; allowed: each once") for index in repeated])
    return grids


Grids = Annotated[list[GridConfig], AfterValidator(_unique_grids)]
_GRIDS = TypeAdapter(Grids)


def load_grids(path: Path) -> list[GridConfig]:
    """Return the grids in a site's YAML file (`--grids`): a list like the key `grids` of a config.

    Raises
    ------
    UserError
        With one line per problem: file, key, what is wrong, what is allowed.
    """
    data, schema = read_yaml(path), _GRIDS.json_schema()
    if not isinstance(data, list):
        raise UserError(
            f"{path}: {'is empty' if data is None else f'holds {show(data)}'}; allowed: {describe(schema, schema)}"
        )
    check_texts(data, path)
    try:
        return _GRIDS.validate_python(data)
    except ValidationError as error:
        raise UserError("\n".join(f"{path}: {line}" for line in problems(error, schema, data))) from None


def grid_files(own: list[GridConfig], lookup: Lookup, site: Path | None = None) -> tuple[GridFile, ...]:
    """Return the grids of a config and of a site, with the absolute paths of their files.

    Parameters
    ----------
    own : what the config says, which goes before what the site says of the same grid
    lookup : where relative paths of the config are looked up
    site : the site's list (`--grids`), in which relative paths are looked up beside it first

    Raises
    ------
    UserError
        Where a file is missing, or the site's list is wrong.
    """
    known = {grid.name for grid in own}
    located = [(grid, lookup.require(grid.file, f"grids[{index}].file")) for index, grid in enumerate(own)]
    if site is not None:
        beside = lookup.next_to(site)
        located += [
            (grid, beside.require(grid.file, f"{site}: [{index}].file"))
            for index, grid in enumerate(load_grids(site))
            if grid.name not in known
        ]
    return tuple(GridFile(path.absolute(), grid.points, grid.uuid) for grid, path in located)
