"""Several launches at a time on one store."""

import json
import re
import threading
from pathlib import Path

import yaml
from support import killed
from support.launches import Workspace


def made_twice(text: str) -> int:
    found = re.search(r"made twice +(\d+) forecasts", text)
    return int(found[1]) if found else 0


def launch_together(workspace: Workspace, *configs: Path) -> list:
    """Launch at the same time, each from a folder of its own, on one store."""
    results = [None] * len(configs)

    def run(number: int) -> None:
        folder = workspace.root / f"launch-{number}"
        results[number] = workspace.launch(
            cwd=folder, config=configs[number], timeout=800, **killed.variables(workspace)
        )

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(configs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def check_together(workspace: Workspace, results: list, forecasts: int, expected: dict[str, bytes]) -> None:
    assert [result.status for result in results] == [0] * len(results), "\n".join(result.text for result in results)
    proofs = [json.loads(path.read_text()) for path in workspace.store.glob("runs/*/*/*/forecast.json")]
    assert len(proofs) == forecasts
    tree = workspace.tree()
    assert {name: tree[name] for name in expected} == expected
    assert len(killed.whole(workspace)) == 2 * killed.INIT_TIMES
    assert len(list(workspace.store.glob("images/*.squashfs"))) == 1
    assert not [path for path in workspace.store.rglob("*") if path.name.endswith(".tmp") or ".bad-" in path.name]
    # Each is made once for the store. What was made besides is no more than one per launch, and it is reported.
    twice = sum(made_twice(result.text) for result in results)
    stored = len(list(workspace.store.glob("runs/*/*/.made/*")))
    assert killed.begun(workspace) == stored + twice <= forecasts * len(results)
    spare = [warning for warning in workspace.plan()["warnings"] if "have no name" in warning]
    assert bool(spare) == (stored > forecasts), "stored in the same moment: listed by the plan"
    print(f"{len(results)} launches made {twice} of {forecasts} forecasts twice")


def test_two_launches_of_one_config(quick, undisturbed):
    results = launch_together(quick, quick.config_file, quick.config_file)
    check_together(quick, results, 6, undisturbed.tree())


def test_five_launches_of_configs_that_overlap(quick, undisturbed):
    """Two equal ones, one with a run less, one with a day more, one with the runs the other way round."""
    variants = [quick.config_file, quick.config_file]
    for name, change in {
        "less": lambda config: config["runs"].pop(),
        "more": lambda config: config["dates"].append(killed.ANOTHER_DATE),
        "turned": lambda config: config["runs"].reverse(),
    }.items():
        config = quick.config
        change(config)
        variants.append(quick.config_file.with_name(f"{name}.yaml"))
        variants[-1].write_text(yaml.safe_dump(config))
    check_together(quick, launch_together(quick, *variants), 8, undisturbed.tree())
