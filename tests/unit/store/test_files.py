"""The store: what has its final name is whole, the first writer wins, and nothing is left of what failed."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from evalflow.errors import UserError
from evalflow.store import files as store
from evalflow.store.files import (
    _flush,
    compare_file,
    describe_file,
    new_in_store,
    read_json,
    remove_dangling,
    replace_file,
    replace_link,
    set_aside,
    store_folder,
    to_json,
    write_new,
)
from support.paths import BIN


def write_file(path: Path, text: str) -> None:
    path.write_text(text)


def write_folder(path: Path, text: str) -> None:
    (path / "sub").mkdir(parents=True)
    (path / "sub" / "file").write_text(text)


def write_link(path: Path, text: str) -> None:
    path.symlink_to(text)


def read(path: Path) -> str:
    if path.is_symlink():
        return os.readlink(path)
    return (path / "sub" / "file" if path.is_dir() else path).read_text()


WRITERS = [write_file, write_folder, write_link]


@pytest.mark.parametrize("write", WRITERS)
def test_new_in_store_gives_the_final_name_at_the_end(write, tmp_path):
    final = tmp_path / "made" / "along" / "final"
    with new_in_store(final) as temporary:
        assert temporary.parent == final.parent, "on the same file system"
        write(temporary, "content")
        assert not os.path.lexists(final)
    assert read(final) == "content"
    assert list(final.parent.iterdir()) == [final]


@pytest.mark.parametrize("first", WRITERS)
@pytest.mark.parametrize("second", WRITERS)
def test_the_first_writer_wins(first, second, tmp_path):
    final = tmp_path / "final"
    with new_in_store(final) as slow:
        second(slow, "second")
        with new_in_store(final) as quick:
            first(quick, "first")
    assert read(final) == "first"
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError(errno.EIO, "Input/output error")])
def test_nothing_is_left_on_failure(write, error, tmp_path):
    with pytest.raises(error if isinstance(error, type) else OSError):  # noqa: PT012 - the block is what fails
        with new_in_store(tmp_path / "final") as temporary:
            write(temporary, "half")
            raise error
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_where_nothing_was_written(tmp_path):
    with pytest.raises(FileNotFoundError):
        with new_in_store(tmp_path / "final"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_temporaries_of_killed_processes_go_after_two_days(tmp_path):
    old, new, of_others = tmp_path / ".final.a.tmp", tmp_path / ".final.b.tmp", tmp_path / ".other.c.tmp"
    old_folder = tmp_path / ".final.d.tmp"
    write_folder(old_folder, "old")
    for path in (old, new, of_others):
        path.write_text("half")
    two_days = time.time() - 2 * 24 * 3600
    for path in (old, old_folder, of_others):
        os.utime(path, (two_days - 60, two_days - 60))
    os.utime(new, (two_days + 600, two_days + 600))
    write_new(tmp_path / "final", "text")
    assert set(tmp_path.iterdir()) == {new, tmp_path / "final"}


def test_the_age_of_a_temporary_is_not_that_of_its_source(tmp_path, monkeypatch):
    """Else another launch that stores at this moment would take it for left behind."""
    source = tmp_path / "source"
    write_folder(source, "made long ago")
    os.utime(source, (1, 1))
    ages = []
    flush = _flush
    monkeypatch.setattr(store, "_flush", lambda path: (ages.append(time.time() - path.stat().st_mtime), flush(path)))
    store_folder(source, tmp_path / "final")
    assert ages and max(ages) < 60


def test_a_file_is_replaced_in_one_step(tmp_path):
    source, final = tmp_path / "source", tmp_path / "store" / "final"
    for text in ("one", "two"):
        source.unlink(missing_ok=True)
        source.write_text(text)
        replace_file(source, final)
        assert final.read_text() == text
        assert list(final.parent.iterdir()) == [final]
    source.unlink()
    with pytest.raises(FileNotFoundError):
        replace_file(source, final)
    assert final.read_text() == "two" and list(final.parent.iterdir()) == [final]


def test_a_temporary_that_its_writer_removes_at_this_moment_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter([folder / ".final.gone.tmp"]))
    write_new(tmp_path / "final", "text")
    assert (tmp_path / "final").read_text() == "text"


WRITE_MANY = """
import sys
from pathlib import Path
from evalflow.store.files import new_in_store
me, folder = sys.argv[1], Path(sys.argv[2])
while not (folder / "go").exists(): pass
for number in range(150):
    with new_in_store(folder / "store" / f"file-{number}") as temporary:
        temporary.write_text(me * 1000)
    with new_in_store(folder / "store" / f"folder-{number}") as temporary:
        temporary.mkdir()
        (temporary / "one").write_text(me)
        (temporary / "two").write_text(me)
"""


def test_of_two_processes_at_once_both_succeed_and_what_is_there_is_whole(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(BIN)}
    command = [sys.executable, "-c", WRITE_MANY]
    writers = [subprocess.Popen([*command, me, str(tmp_path)], env=environment, text=True) for me in "ab"]
    time.sleep(0.3)
    (tmp_path / "go").touch()
    assert [process.wait(timeout=60) for process in writers] == [0, 0]
    names = {f"{kind}-{number}" for kind in ("file", "folder") for number in range(150)}
    assert {path.name for path in (tmp_path / "store").iterdir()} == names, "no temporary is left"
    for path in (tmp_path / "store").iterdir():
        if path.is_dir():
            assert {part.name: part.read_text() for part in path.iterdir()} in [{"one": x, "two": x} for x in "ab"]
        else:
            assert path.read_text() in {1000 * "a", 1000 * "b"}


def test_write_new_keeps_what_exists(tmp_path):
    path = tmp_path / "file"
    write_new(path, "ä\n")
    write_new(path, "another")
    assert path.read_bytes() == "ä\n".encode()


def test_replace_link_points_elsewhere_in_one_step(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("one")
    replace_link(link, "two")
    assert os.readlink(link) == "two"
    assert list(tmp_path.iterdir()) == [link]


def test_a_link_that_leads_nowhere_is_removed(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("gone")
    remove_dangling(link)
    remove_dangling(link)  # by another launch
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_another_process_has_mended_meanwhile_stays(tmp_path):
    link = tmp_path / "link"
    (tmp_path / "there").mkdir()
    link.symlink_to("there")
    remove_dangling(link)
    assert os.readlink(link) == "there" and len(list(tmp_path.iterdir())) == 2


def test_what_is_stored_is_flushed_with_its_folders_before_it_has_its_name(tmp_path, monkeypatch):
    write_folder(tmp_path / "source", "content")
    flushed = []

    def note(descriptor):
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        flushed.append(path)
        assert (tmp_path / "store" / "final").exists() == (path == tmp_path / "store")

    monkeypatch.setattr(os, "fsync", note)
    store_folder(tmp_path / "source", tmp_path / "store" / "final")
    *below, folder = flushed
    assert folder == tmp_path / "store", "the name itself, last"
    assert {str(path.relative_to(below[-1])) for path in below} == {"sub/file", "sub", "."}


def test_what_is_set_aside_keeps_its_content_and_never_replaces_anything(tmp_path):
    moved = []
    for number in range(3):
        path = tmp_path / "forecaster-0000"
        path.write_text(str(number))
        moved.append(set_aside(path))
        assert not path.exists()
    assert [path.read_text() for path in moved] == ["0", "1", "2"]
    assert all(path.name.startswith("forecaster-0000.bad-") for path in moved)
    assert set_aside(tmp_path / "moved by another launch") and len(list(tmp_path.iterdir())) == 3


def test_what_is_set_aside_can_lie_beside_another_name(tmp_path):
    (tmp_path / ".made").mkdir()
    (tmp_path / ".made" / "one.1234").write_text("damaged")
    aside = set_aside(tmp_path / ".made" / "one.1234", tmp_path / "one")
    assert aside.parent == tmp_path and aside.name.startswith("one.bad-") and aside.read_text() == "damaged"


def test_what_cannot_be_set_aside_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").touch()

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(UserError, match="file: damaged, and it cannot be moved aside: Permission denied"):
        set_aside(tmp_path / "file")


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '"text"', "1", b"\xff\xfe", '{"a": 1'])
def test_json_that_is_not_a_whole_mapping_is_none(text, tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert read_json(path) is None


def test_json_that_cannot_be_read_is_none(tmp_path):
    assert read_json(tmp_path) is None
    assert read_json(tmp_path / "missing") is None


def test_json_comes_back(tmp_path):
    data = {"a": [1, 2.5, None, "ä"], "b": {}}
    write_new(tmp_path / "file.json", to_json(data))
    assert read_json(tmp_path / "file.json") == data


COMPARISONS = {
    # what happens to a file of the bytes "content" → what is said by size alone, and with its digest
    "nothing": (lambda path: None, None, None),
    "cut": (lambda path: path.write_text("cont"), "has 4 bytes instead of 7", "has 4 bytes instead of 7"),
    "emptied": (lambda path: path.write_text(""), "has 0 bytes instead of 7", "has 0 bytes instead of 7"),
    "a byte flipped": (lambda path: path.write_text("CONTENT"), None, "its digest differs"),
    "removed": (lambda path: path.unlink(), "No such file", "No such file"),
    "a dangling link": (lambda path: (path.unlink(), path.symlink_to("nowhere")), "No such file", "No such file"),
}


@pytest.mark.parametrize(("harm", "by_size", "by_digest"), COMPARISONS.values(), ids=COMPARISONS)
def test_compare_file_says_what_is_wrong(harm, by_size, by_digest, tmp_path):
    path = tmp_path / "file"
    path.write_text("content")
    proof = describe_file(path)
    harm(path)
    for verify, expected in ((False, by_size), (True, by_digest)):
        problem = compare_file(path, proof, verify)
        assert problem is None if expected is None else (problem.startswith("file ") and expected in problem)


def test_compare_file_takes_a_proof_that_is_not_whole_for_a_difference(tmp_path):
    (tmp_path / "file").write_text("content")
    assert compare_file(tmp_path / "file", {}, verify=False)
    assert compare_file(tmp_path / "file", {"size": 7}, verify=True)


def test_compare_file_reports_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("content")
    proof = describe_file(tmp_path / "file")

    def fail(path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(store, "hash_file", fail)
    assert compare_file(tmp_path / "file", proof, verify=True) == "file cannot be read (Input/output error)"


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


FILL_STORE = """
import sys
from pathlib import Path
from evalflow.cli import command
from evalflow.store.files import write_new

@command
def main():
    write_new(Path(sys.argv[1]), 1_000_000 * "a")

main(args=[])
"""


def test_a_full_disk_is_one_line_and_leaves_nothing(small_disk):
    final = small_disk / "runs" / "file"
    result = subprocess.run(
        [sys.executable, "-c", FILL_STORE, str(final)],
        env={**os.environ, "PYTHONPATH": str(BIN)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr == (
        f"evalflow: {final}: No space left on device; free some space (or choose another folder) and launch again\n"
    )
    assert list(final.parent.iterdir()) == []


def test_a_plan_on_a_full_disk_is_one_line_and_leaves_nothing(small_disk, experiment):
    experiment.data["dates"] = {"start": "2020-01-01", "end": "2024-01-01", "frequency": "6h"}
    config = experiment.write("experiment.yaml", experiment.data)
    command = [BIN / "plan.py", "--config", config, "--output", small_disk / "plan.json"]
    result = subprocess.run(command, env={**os.environ, "EVALFLOW_VENV": sys.prefix}, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"evalflow: {small_disk}/plan.json: No space left on device; free some space (or choose another folder) "
        "and launch again"
    ]
    assert list(small_disk.iterdir()) == []
