"""Full disks are named, and with room the next launch succeeds."""

import json
import subprocess
from pathlib import Path

import pytest
from support import killed
from support.environments import fill, needs_root, small_disk
from support.launches import Workspace


def give_room(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=200m", folder], check=True)


def check_no_half_things(workspace: Workspace) -> None:
    """What has its final name in the store is whole."""
    for image in workspace.store.glob("images/*.squashfs"):
        proof = image.with_name(f"{image.name}.json")
        assert not proof.exists() or json.loads(proof.read_text())["size"] == image.stat().st_size
    killed.whole(workspace)


@needs_root
@pytest.mark.parametrize("place", ["out", "launch/work", "scratch"])
def test_a_disk_that_is_full_is_named_and_with_room_the_next_launch_succeeds(quick, undisturbed, place):
    image = next(undisturbed.store.glob("images/*.squashfs")).stat().st_size
    size = {"out": str(image // 2 // 4096 * 4096), "launch/work": "300k", "scratch": "16k"}[place]
    with small_disk(quick.root / place, size) as disk:
        result = killed.launch(quick)
        assert result.status != 0
        assert "No space left on device" in result.text, result.text
        assert place == "launch/work" or "\nfailed:\n" in result.text, "there, Nextflow may be the first to notice"
        check_no_half_things(quick)
        give_room(disk)
        result = killed.launch(quick)
        assert result.status == 0, result.text
        assert quick.tree() == undisturbed.tree()


@needs_root
def test_the_store_is_full_when_forecasts_are_stored(quick, undisturbed):
    """What was made is not made again: with room, -resume stores it."""
    with small_disk(quick.root / "out", "20m") as disk:
        assert killed.launch(quick, "--target", "environments").status == 0
        fill(disk)
        result = killed.launch(quick)
        assert result.status != 0
        said = {line.split(": /", 1)[1] for line in result.text.splitlines() if "the forecast is made" in line}
        reason = (
            "No space left on device; free some space (or choose another folder) and launch again; the forecast is made: "
            "with -resume, it only has to be stored"
        )
        assert said and all(line.endswith(f": {reason}") for line in said), result.text
        check_no_half_things(quick)
        made = sum(line[0] == "end" for line in killed.journal(quick))
        assert made > 0 and len(killed.whole(quick)) < 6
        (disk / "filler").unlink()
        before = killed.begun(quick)
        result = killed.launch(quick, "-resume")
        assert result.status == 0, result.text
        assert quick.tree() == undisturbed.tree()
        assert killed.begun(quick) - before <= 6 - made, "what was made is made again"
