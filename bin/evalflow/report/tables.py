"""The tables of scores as the pages read them."""

from functools import reduce
from operator import and_, or_
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evalflow.errors import UserError
from evalflow.store.layout import DIFFERENCES, SCORES

STRATA = ("region", "season", "init_hour", "valid_hour")
Row = dict[str, Any]
NO_CASE = ~pc.field("case").is_valid()


def _conditions(wanted: dict[str, Any]) -> pc.Expression:
    """Return the condition that columns have given values, or one of a list of values."""
    conditions = [
        pc.field(column).isin(value) if isinstance(value, list) else pc.field(column) == value
        for column, value in wanted.items()
    ]
    return reduce(and_, conditions)


class ScoreTables:
    """The tables in a folder of results; rows come as mappings from column to value, missing values as None."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tables: dict[str | tuple[str, str], pa.Table] = {}

    @property
    def exist(self) -> bool:
        """Whether there are both."""
        return all((self.folder / name).is_file() for name in (SCORES, DIFFERENCES))

    def made_from(self) -> str:
        """Return the digest of what the tables were made from, or nothing where there are none."""
        if not self.exist:
            return ""
        found = [self._metadata(name).get(b"made_from", b"").decode() for name in (SCORES, DIFFERENCES)]
        return " ".join(dict.fromkeys(found))

    def _metadata(self, name: str) -> dict[bytes, bytes]:
        try:
            return pq.read_schema(self.folder / name).metadata or {}
        except (OSError, ValueError) as error:
            raise UserError(f"{self.folder / name}: cannot be read ({error}); remove it and launch again") from None

    def _table(self, name: str) -> pa.Table:
        """Return the rows whose stratum is the whole, but for one dimension at most. They are read once."""
        if name not in self._tables:
            whole = {stratum: pc.field(stratum) == "all" for stratum in STRATA}
            parts = [reduce(and_, [same for other, same in whole.items() if other != stratum]) for stratum in STRATA]
            self._tables[name] = self._read(name, filters=NO_CASE & reduce(or_, parts))
        return self._tables[name]

    def rows(self, name: str, by: str | None = None, **wanted: Any) -> list[Row]:
        """Return the rows of a table whose stratum is the whole, but for one dimension.

        Parameters
        ----------
        by : the dimension (of STRATA) of which all values are wanted
        wanted : column → value, or list of values
        """
        return self._chosen(name, by, wanted).to_pylist()

    def values(self, name: str, column: str, by: str | None = None, **wanted: Any) -> list[Any]:
        """Return the sorted values of a column in the rows that `rows` would return."""
        return sorted(self._chosen(name, by, wanted)[column].unique().to_pylist())

    def _chosen(self, name: str, by: str | None, wanted: dict[str, Any]) -> pa.Table:
        chosen: dict[str, Any] = {stratum: "all" for stratum in STRATA if stratum != by} | wanted
        return self._table(name).filter(_conditions(chosen))

    def case_rows(self, name: str, **wanted: Any) -> list[Row]:
        """Return the rows of a table that are of a case; `wanted` is as in `rows`."""
        if ("case", name) not in self._tables:
            self._tables["case", name] = self._read(name, filters=~NO_CASE)
        return self._tables["case", name].filter(_conditions(wanted)).to_pylist()

    def table(self, name: str, columns: list[str]) -> pa.Table:
        """Return columns of a table in all strata and cases."""
        return self._read(name, columns=columns)

    def _read(self, name: str, **wanted: Any) -> pa.Table:
        try:
            return pq.read_table(self.folder / name, **wanted)
        except (OSError, ValueError) as error:
            raise UserError(f"{self.folder / name}: cannot be read ({error}); remove it and launch again") from None
