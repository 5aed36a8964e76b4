"""What `jretrievedwh:` asks for, and what is needed for it: checked before any GPU hour."""

import base64
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalflow.errors import UserError

PREFIX = "jretrievedwh:"
_PROGRAM = "jretrievedwh.py"
_CREDENTIALS = ("JRETRIEVE_CLIENT_ID", "JRETRIEVE_CLIENT_SECRET")


@dataclass(frozen=True)
class Selection:
    """Which stations are asked for.

    Attributes
    ----------
    kind : group, locations or bbox
    value : id of the group, abbreviations of stations, or minlat,maxlat,minlon,maxlon
    stage : of the service
    seq_type : of the series
    """

    kind: str
    value: str
    stage: str = "prod"
    seq_type: str = "surface"

    def words(self) -> list[str]:
        """Return the selection as the program takes it."""
        if self.kind == "bbox":
            return ["-l", self.value]
        return ["-a", f"stn_group_id,{self.value}"] if self.kind == "group" else ["-i", f"nat_abbr,{self.value}"]


def parse_selection(root: str) -> Selection:
    """Return the stations that a config's `root` asks for.

    Parameters
    ----------
    root : `jretrievedwh:1,2`, `…:group=1,2`, `…:locations=ARO,KLO`, `…:bbox=45.8,47.8,5.9,10.5`,
        with `;stage=prod` and `;seq_type=surface`

    Raises
    ------
    UserError
        Where it is none of these.
    """
    allowed = (
        f"allowed: {PREFIX}GROUP, {PREFIX}locations=ARO,KLO or {PREFIX}bbox=minlat,maxlat,minlon,maxlon, ;stage=prod"
    )
    found: dict[str, str] = {}
    for index, part in enumerate(root.removeprefix(PREFIX).split(";")):
        key, equals, value = part.partition("=")
        if not equals and index == 0:
            key, value = "group", part
        key, value = key.strip(), re.sub(r"\s*,\s*", ",", value.strip())
        if key not in ("group", "locations", "bbox", "stage", "seq_type") or not value or key in found:
            raise UserError(f'{root}: "{part}" is not understood; {allowed}')
        found[key] = value
    kinds = [key for key in ("group", "locations", "bbox") if key in found]
    if len(kinds) != 1:
        raise UserError(f"{root}: names {' and '.join(kinds) or 'no stations'}; {allowed}")
    kind = kinds[0]
    if kind == "bbox" and not _is_box(found[kind]):
        raise UserError(f"{root}: {found[kind]} is no box; allowed: minlat,maxlat,minlon,maxlon in degrees")
    return Selection(kind, found[kind], found.get("stage", "prod"), found.get("seq_type", "surface"))


def _is_box(text: str) -> bool:
    try:
        south, north, west, east = (float(number) for number in text.split(","))
    except ValueError:
        return False
    return -90 <= south < north <= 90 and -180 <= west < east <= 360


@dataclass(frozen=True)
class Service:
    """What is needed to ask: program, configuration, and the credentials, which are never shown."""

    program: str
    conf: Path
    credentials: Mapping[str, str] = field(repr=False)

    def environment(self) -> dict[str, str]:
        """Return the environment of the program."""
        return {
            **os.environ,
            **self.credentials,
            "JRETRIEVE_CONF_DIR": str(self.conf.parent),
            "JRETRIEVE_CONF_NAME": self.conf.name,
        }

    def scrub(self, line: str) -> str:
        """Return a line of the program's without the credentials."""
        secrets = list(self.credentials.values())
        secrets += [base64.b64encode(text.encode()).decode() for text in (":".join(secrets), *secrets)]
        for secret in sorted(secrets, key=len, reverse=True):
            line = line.replace(secret, "…")
        return line


def find_service(selection: Selection, folders: Sequence[Path]) -> Service:
    """Return what is needed to ask for observations.

    A launch calls this before it spends any GPU hour.

    Parameters
    ----------
    selection : its stage tells the name of the configuration
    folders : where `.jretrievedwh-conf.<stage>.py` and `.env` may be, besides
        `$JRETRIEVE_CONF_DIR`: the launch folder …

    Raises
    ------
    UserError
        With everything that is missing, in one line.
    """
    own = os.environ.get("JRETRIEVE_CONF_DIR")
    places = [Path(folder) for folder in ([own] if own else [])] + list(folders)
    missing = []
    home = os.environ.get("OPR_HOME")
    below = [os.path.join(home, "bin"), home] if home else []
    program = shutil.which(_PROGRAM) or shutil.which(_PROGRAM, path=os.pathsep.join(below))
    if program is None:
        missing.append(f"the program {_PROGRAM} (on PATH or below $OPR_HOME)")
    name = f".jretrievedwh-conf.{selection.stage}.py"
    conf = next((folder / name for folder in places if (folder / name).is_file()), None)
    if conf is None:
        looked = ", ".join(str(folder) for folder in places)
        missing.append(f"its configuration {name} (in $JRETRIEVE_CONF_DIR{', ' if looked else ''}{looked})")
    credentials = {key: os.environ.get(key) or _from_dotenv(places, key) for key in _CREDENTIALS}
    lacking = [key for key, value in credentials.items() if not value]
    if lacking:
        missing.append(f"{' and '.join(lacking)} (in the environment or in .env)")
    if program is None or conf is None or missing:
        raise UserError(f"{PREFIX} observations cannot be asked for; missing: {'; '.join(missing)}")
    return Service(program, conf.absolute(), {key: value or "" for key, value in credentials.items()})


def _from_dotenv(folders: Sequence[Path], key: str) -> str | None:
    for folder in folders:
        try:
            lines = (folder / ".env").read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            name, equals, value = line.strip().removeprefix("export ").partition("=")
            if equals and name.strip() == key:
                value = value.strip()
                quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
                return value[1:-1] if quoted else value
    return None
