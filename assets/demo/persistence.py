"""Persistence: every lead time is the analysis of the init time. An example of a model that is any program.

    python persistence.py --config config.yaml --init-time 1996-01-15T00:00 --steps 0/24/6 --output FOLDER

evalflow runs it by `runner: command` (config/demo-command.yaml). It needs eccodes and PyYAML, which its environment has.
"""

import argparse
from pathlib import Path

import eccodes
import yaml


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="YAML with `analyses`, the path of a GRIB file")
    parser.add_argument("--init-time", required=True, help="init time, YYYY-mm-ddTHH:MM, UTC")
    parser.add_argument("--steps", required=True, help="lead times in hours, start/end/step")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    return parser.parse_args()


def main() -> None:
    """Write one GRIB file per lead time."""
    arguments = parse_arguments()
    analyses = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))["analyses"]
    wanted = arguments.init_time.replace("-", "").replace("T", "").replace(":", "")
    start, end, step = map(int, arguments.steps.split("/"))
    written = dict.fromkeys(range(start, end + 1, step), 0)
    with open(analyses, "rb") as source:
        while (handle := eccodes.codes_grib_new_from_file(source)) is not None:
            date = (
                eccodes.codes_get(handle, "validityDate", str) + f"{eccodes.codes_get(handle, 'validityTime', int):04d}"
            )
            for lead in written if date == wanted else ():
                eccodes.codes_set(handle, "step", lead)
                with open(arguments.output / f"persistence_{wanted}_{lead:03d}.grib", "ab") as target:
                    eccodes.codes_write(handle, target)
                written[lead] += 1
            eccodes.codes_release(handle)
    if not all(written.values()):
        raise SystemExit(f"{analyses}: no analysis of {arguments.init_time}")


if __name__ == "__main__":
    main()
