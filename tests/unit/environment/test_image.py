"""Lock, build and seal environments: with the real uv and mksquashfs, without the network."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
import zipfile
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest
from evalflow.checkpoints import metadata as checkpoint_metadata
from evalflow.checkpoints.metadata import read_metadata, read_task
from evalflow.digests import digest
from evalflow.environment import lock as locking
from evalflow.environment.checkpoint import get_checkpoint
from evalflow.environment.image import build_image, check_image
from evalflow.environment.lock import training_warnings
from evalflow.environment.seal import seal_environment
from evalflow.environment.spec import EnvironmentSpec
from evalflow.errors import UserError
from evalflow.host import scratch_folder
from evalflow.requirements import read_lock
from evalflow.store.files import read_json
from evalflow.store.layout import CHECKPOINT, ENVIRONMENT_SEAL, LOCK, METADATA, proof_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.environments import (
    build,
    lock,
    make_spec,
    make_tool,
    make_wheel,
    needs_mksquashfs,
    needs_root,
    one_line,
    run,
    small_disk,
    start,
    tree,
    wait_for,
)

pytestmark = needs_mksquashfs
TINY = {"tiny/other.py": "def fail():\n    raise RuntimeError('on purpose')\n", "tiny/data.bin": bytes(range(256))}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A folder of wheels in the place of a package index."""
    folder = tmp_path_factory.mktemp("index")
    make_wheel(folder, "alpha", needs=["beta<2"])
    make_wheel(folder, "beta", "1.5")
    make_wheel(folder, "beta", "2.0")
    make_wheel(folder, "tiny", files=TINY)
    return folder


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path, wheels):
    """No network; scratch and the caches of uv are folders of the test."""
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory, wheels):
    """A built environment: spec, lock file, image. Tests do not change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_NO_INDEX", "1")
        patch.setenv("UV_FIND_LINKS", str(wheels))
        patch.setenv("EVALFLOW_SCRATCH", str(tmp_path_factory.mktemp("scratch")))
        spec = make_spec(tmp_path_factory.mktemp("store"), ["tiny", "alpha"])
        image = build(spec)
    return spec, Path(spec["folder"]) / LOCK, image


@pytest.fixture
def copy(built, tmp_path):
    """A copy of the built environment that tests may damage, with a checkpoint, ready to be sealed: spec and image."""
    spec, locked, image = built
    copied = make_spec(tmp_path / "store", ["tiny", "alpha"])
    shutil.copy(locked, copied["folder"])
    (Path(copied["folder"]) / CHECKPOINT).write_bytes(b"weights")
    (tmp_path / "store" / "images").mkdir()
    for path in (image, proof_of(image)):
        shutil.copy(path, tmp_path / "store" / "images")
    return copied, tmp_path / "store" / "images" / image.name


def contents(image: Path, folder: Path) -> Path:
    subprocess.run(
        ["unsquashfs", "-quiet", "-no-progress", "-dest", folder, image], check=True, stdout=subprocess.DEVNULL
    )
    return folder


# --- checkpoint -------------------------------------------------------------------------------------------------------


def checkpoint_spec(root: Path, path: Path) -> dict:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    found = {
        "uri": path.name,
        "identity": {"sha256": sha256},
        "model_id": sha256[:4],
        "location": str(path),
        "sha256": sha256,
    }
    spec = make_spec(root, checkpoint=found)
    (Path(spec["folder"]) / METADATA).unlink()
    return spec


def test_checkpoint_is_linked_and_its_metadata_read(tmp_path):
    path = tmp_path / "inference-last.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"cos\nsystem\n(S'touch %s'\ntR." % bytes(tmp_path / "loaded"))
        archive.writestr("archive/anemoi-metadata/ai-models.json", '{"version": "1.0"}')
    spec = checkpoint_spec(tmp_path / "store", path)
    get_checkpoint(EnvironmentSpec(**spec))
    folder = Path(spec["folder"])
    assert (folder / CHECKPOINT).resolve() == path
    assert read_json(folder / METADATA) == {"version": "1.0"}
    assert not (tmp_path / "loaded").exists()


def test_checkpoint_of_another_format_is_described_by_it(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    spec = checkpoint_spec(tmp_path / "store", path)
    get_checkpoint(EnvironmentSpec(**spec))
    assert read_json(Path(spec["folder"]) / METADATA) == {"format": "onnx"}


NAME = "archive/anemoi-metadata/ai-models.json"
METADATA_TEXTS = {
    # what stands for metadata in a checkpoint → what is said of it
    "no JSON": ("{", "not valid JSON"),
    "no text": (b"\xff{}", "not valid JSON"),
    "nothing": ("", "not valid JSON"),
    "a number of too many digits": (5000 * "9", "not valid JSON"),
    "a list": ("[]", "not a mapping"),
    "a number": ("1", "not a mapping"),
    "nothing at all": ("null", "not a mapping"),
    "half a character": ('{"a": "\\ud800"}', "no valid Unicode"),
    "half a character as a key": ('{"\\udfff": 1}', "no valid Unicode"),
    "too deep": (100_000 * "[", "nested too deeply"),
}


@pytest.mark.parametrize(("text", "problem"), METADATA_TEXTS.values(), ids=METADATA_TEXTS)
def test_metadata_that_is_no_mapping_is_refused_in_one_line(tmp_path, text, problem):
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(NAME, text)
    message = one_line(run("get_checkpoint.py", spec=checkpoint_spec(tmp_path / "store", path)))
    expected = f"model.ckpt: the checkpoint's anemoi metadata is {problem}; save the checkpoint again"
    assert message == f"evalflow: {expected}"
    assert tree(tmp_path / "store") == {}


def test_a_damaged_archive_is_refused_in_one_line_wherever_the_damage_is(tmp_path):
    whole = tmp_path / "whole.ckpt"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"weights")
        archive.writestr(NAME, '{"version": "1.0"}')
    content, path, said = whole.read_bytes(), tmp_path / "model.ckpt", set()
    for place in range(len(content)):
        for byte in {0x00, 0x01, 0x7F, 0xFF, content[place] ^ 0x08} - {content[place]}:
            path.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
            try:
                read_metadata(path, "model.ckpt")
            except UserError as error:
                said.add(str(error))
    assert any("Bad magic number" in text for text in said) and any("Bad CRC-32" in text for text in said)
    assert all(re.match("model.ckpt: the checkpoint's (archive|anemoi metadata) ", text) for text in said)
    assert all(len(text.splitlines()) == 1 and text.isprintable() for text in said)


@pytest.mark.parametrize("lie", [False, True], ids=["said", "not said"])
def test_a_zip_bomb_does_not_fill_the_memory(tmp_path, monkeypatch, lie):
    monkeypatch.setattr(checkpoint_metadata, "_MOST_METADATA", 1_000_000)
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, 50_000_000 * b" ")
    if lie:
        path.write_bytes(path.read_bytes().replace((50_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    tracemalloc.start()
    with pytest.raises(UserError, match="model.ckpt: the checkpoint's archive cannot be read: ") as caught:
        read_metadata(path, "model.ckpt")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert lie or "50,000,000 bytes of metadata, more than 1,000,000; " in str(caught.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_metadata_that_may_decompress_without_a_limit_is_refused(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "model.ckpt", "w", method) as archive:
        archive.writestr(NAME, "{}")
    with pytest.raises(UserError, match="^model.ckpt: .*: metadata compressed in another way than by deflate; "):
        read_metadata(tmp_path / "model.ckpt", "model.ckpt")


@pytest.mark.parametrize(("task", "read"), [("forecaster", "forecaster"), (["a"], None), ({"a": 1}, None), (1, None)])
def test_a_task_is_text(tmp_path, task, read):
    with zipfile.ZipFile(tmp_path / "model.ckpt", "w") as archive:
        archive.writestr(NAME, json.dumps({"metadata_inference": {"task": task}}))
    assert read_task(tmp_path / "model.ckpt") == read


@pytest.mark.parametrize("change", ["changed", "gone"])
def test_checkpoint_that_is_not_as_planned_is_refused(tmp_path, change):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    spec = checkpoint_spec(tmp_path / "store", path)
    path.write_bytes(b"other weights") if change == "changed" else path.unlink()
    assert "model.onnx: " in one_line(run("get_checkpoint.py", spec=spec))
    assert tree(tmp_path / "store") == {}


# --- lock -------------------------------------------------------------------------------------------------------------


def test_lock_pins_everything_with_hashes(tmp_path):
    path = lock(make_spec(tmp_path, ["tiny", "alpha"]))
    header, packages = path.read_text().split("\n")[:3], path.read_text().split("\n", 3)[3]
    assert header[0] == "# Locked by evalflow for Python {}.{}.{} on linux-x86_64.".format(*sys.version_info)
    names = [line.split()[0] for line in packages.splitlines() if not line.startswith(" ")]
    assert names == ["alpha==1.0", "beta==1.5", "tiny==1.0"]
    assert packages.count("--hash=sha256:") == 3
    assert read_lock(path) == {"python": "{}.{}.{}".format(*sys.version_info), "image_id": header[1].split()[-1]}


def test_order_and_spelling_of_requirements_do_not_matter(tmp_path):
    texts = [
        lock(make_spec(tmp_path / str(number), requirements, **more)).read_bytes()
        for number, (requirements, more) in enumerate(
            [
                (["tiny", "alpha>=1.0"], {}),
                (["Alpha >= 1.0", "TINY"], {}),
                (["alpha"], {"extra_requirements": ["tiny", "alpha>=1.0"]}),
            ]
        )
    ]
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize(
    "change", [{"python": "3.11"}, {"platform": "linux-aarch64"}, {"recipe": 2}, {"requirements": ["beta"]}]
)
def test_image_id_follows_from_packages_python_platform_and_recipe(tmp_path, change):
    first = read_lock(lock(make_spec(tmp_path / "first", ["tiny"])))
    second = read_lock(lock(make_spec(tmp_path / "second", **{"requirements": ["tiny"], **change})))
    assert (first["image_id"] == second["image_id"]) == (
        change == {"python": "3.11"} and sys.version_info[:2] == (3, 11)
    )


def test_an_environment_for_other_nodes_is_not_built_here(tmp_path):
    spec = make_spec(tmp_path, ["tiny"], platform="linux-other")
    with pytest.raises(UserError, match="the environment is for linux-other; build it on such a node"):
        build(spec)
    assert not list((tmp_path / "images").glob("*"))


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        (["beta==7.0"], "no version of beta==7.0"),
        (["nosuchpackage"], "nosuchpackage was not found"),
        (["beta>=2", "alpha"], "alpha depend on beta<2 and you require alpha"),
        (
            ["/nowhere/tiny-1.0-py3-none-any.whl"],
            "Distribution not found at: file:///nowhere/tiny-1.0-py3-none-any.whl",
        ),
    ],
)
def test_requirements_that_cannot_be_met_are_explained_in_one_line(tmp_path, requirements, reason):
    spec = make_spec(tmp_path / "store", requirements)
    before = tree(tmp_path / "store")
    result = run("lock_requirements.py", "--metadata", Path(spec["folder"]) / METADATA, spec=spec)
    message = one_line(result)
    assert (
        message.startswith("evalflow: forecaster-abcd-12345678: requirements cannot be resolved: ")
        and reason in message
    )
    assert tree(tmp_path / "store") == before


EVIL = "https://evil.example/simple"
SHA = 40 * "0"
UNFIT = {
    # what a checkpoint says of torch, or where it came from → what of it would reach uv
    "an option on a line of its own": {"url": f"https://e.org/t\n--index-url {EVIL}"},
    "an option at the end": {"url": "ssh://e.org/t", "subdirectory": f"x --index-url={EVIL}"},
    "an option after a line break": {"url": "ssh://e.org/t", "subdirectory": f"x\n--index-url={EVIL}"},
    "a secret": {"url": "ssh://e.org/${HF_TOKEN}"},
    "a secret as a folder": {"url": "https://e.org/t", "subdirectory": "${HF_TOKEN}"},
    "a line that goes on": {"url": "ssh://e.org/t", "subdirectory": "x\\"},
    "a line separator": {"url": "ssh://e.org/t", "subdirectory": "x\u2028y"},
    "colours": {"url": "ssh://e.org/\x1b[31mt"},
    "another program": {"url": "ext::sh -c touch% pwned"},
    "an option for ssh": {"url": "ssh://-oProxyCommand=touch/x"},
    "a path": {"url": "../x"},
    "an address that is none": {"url": "https://[::1"},
    "a port that is none": {"url": "https://e.org:x\ny/t"},
    "a very long one": {"url": f"ssh://e.org/{5000 * 'x'}"},
}


def anemoi_spec(root, source, **changes):
    """Return the spec of an environment whose checkpoint says that torch came from `source`."""
    spec = make_spec(root, runner="anemoi", disable_local_eccodes_definitions=True, **changes)
    about = {"version": "1.0", "source": {**source, "vcs_info": {"vcs": "git", "commit_id": SHA}}}
    metadata = {"provenance_training": {"module_versions": {"torch": about}}}
    (Path(spec["folder"]) / METADATA).write_text(json.dumps(metadata))
    return spec


@pytest.mark.parametrize("source", UNFIT.values(), ids=UNFIT)
def test_what_a_checkpoint_says_is_no_option_of_uv(tmp_path, source, monkeypatch):
    monkeypatch.setattr(locking, "run_uv", lambda *_: pytest.fail("it reaches uv"))
    spec = anemoi_spec(tmp_path, source)
    with pytest.raises(UserError) as caught:
        lock(spec)
    message = str(caught.value)
    assert message.startswith(('model.pt: requirement of its environment: got "torch @ ', "model.pt: its provenance_"))
    assert message.isprintable() and len(message) < 500
    assert not (Path(spec["folder"]) / LOCK).exists()


def test_extra_requirements_replace_what_a_checkpoint_says_wrongly(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(
        locking, "run_uv", lambda _words, folder, _what: given.append((folder / "requirements.in").read_text()) or ""
    )
    lock(anemoi_spec(tmp_path, {"url": "ssh://e.org/${HF_TOKEN}"}, extra_requirements=["torch==2.5"]))
    assert given == ["anemoi-inference\neccodes\ntorch==2.5\n"]


def test_warnings_of_what_a_checkpoint_says_are_one_line(tmp_path):
    spec = anemoi_spec(tmp_path, {})
    known = {"provenance_training": {"module_versions": {"torch": "x\nevalflow: all is well\x1b[31m\ud800"}}}
    (warning,) = training_warnings(EnvironmentSpec(**spec), known, "3.11.0")
    assert warning.isprintable() and "(x\\nevalflow: all is well\\u001b[31m\\ud800)" in warning


@pytest.mark.parametrize("place", ["plain", "with space", "odd @ü+,;(1)"])
def test_local_wheel_is_locked_by_content_wherever_it_is(tmp_path, wheels, place):
    moved = tmp_path / place
    moved.mkdir()
    shutil.copy(wheels / "tiny-1.0-py3-none-any.whl", moved)
    path = lock(make_spec(tmp_path / "moved", [moved / "tiny-1.0-py3-none-any.whl"]))
    other = lock(make_spec(tmp_path / "other", [wheels / "tiny-1.0-py3-none-any.whl"]))
    sha256 = hashlib.sha256((wheels / "tiny-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    assert f"--hash=sha256:{sha256}" in path.read_text()
    assert read_lock(path)["image_id"] == read_lock(other)["image_id"]


def test_existing_lock_stays(tmp_path):
    path = lock(make_spec(tmp_path, ["beta"]))
    text = path.read_bytes()
    assert lock(make_spec(tmp_path, ["alpha"])).read_bytes() == text


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_lock_that_was_truncated_or_edited_is_refused(built, tmp_path, data):
    whole = built[1].read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.sampled_from([b"", b"\r", b"\n", b"7", b"#", b"\xff"]) | st.binary(min_size=1, max_size=1))
    rest = data.draw(st.sampled_from([whole[place + 1 :], b""]))
    damaged = tmp_path / LOCK
    damaged.write_bytes(whole[:place] + other + rest)
    assert (read_lock(damaged) is None) == (damaged.read_bytes() != whole)


def test_lock_with_other_line_ends_or_more_is_refused(built, tmp_path):
    whole = built[1].read_bytes()
    for number, content in enumerate([whole + b"six==1.0\n", whole.replace(b"\n", b"\r\n"), b"", b"\n" + whole]):
        (tmp_path / str(number)).write_bytes(content)
        assert read_lock(tmp_path / str(number)) is None
    assert read_lock(tmp_path) is None and read_lock(tmp_path / "missing") is None


# --- image ------------------------------------------------------------------------------------------------------------


def test_same_lock_gives_the_same_bytes(tmp_path, built, wheels):
    """Other folders, caches, hash seed, umask, clock and settings of Python."""
    _, locked, image = built
    spec = make_spec(tmp_path / "a store at a much longer path" / "data", ["tiny", "alpha"])
    (tmp_path / "launch" / "tiny").mkdir(parents=True)
    (tmp_path / "launch" / "compileall.py").write_text("raise SystemExit('shadows the library')")
    (tmp_path / "launch" / "uv.toml").write_text('exclude-newer = "2000-01-01"')
    settings = {
        "EVALFLOW_SCRATCH": str(tmp_path / "another" / "scratch folder"),
        "PYTHONHASHSEED": "7",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONOPTIMIZE": "2",
        "PYTHONPYCACHEPREFIX": str(tmp_path / "pycache"),
        "SOURCE_DATE_EPOCH": "1",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
    }
    time.sleep(1.1)  # file times and mksquashfs count in seconds
    result = run("build_image.py", "--lock", locked, spec=spec, env=settings, cwd=tmp_path / "launch", umask=0o077)
    assert result.returncode == 0, result.stderr
    assert (Path(spec["images"]) / image.name).read_bytes() == image.read_bytes()
    assert not (tmp_path / "pycache").exists()


def test_local_wheels_give_the_same_bytes_wherever_they_are(tmp_path, wheels):
    images = []
    for place in ("one", "another place"):
        folder = tmp_path / place / "wheels"
        folder.mkdir(parents=True)
        path = Path(shutil.copy(wheels / "tiny-1.0-py3-none-any.whl", folder))
        os.utime(path, (1e9, 1e9 + len(images)))
        images.append(build(make_spec(tmp_path / place / "store", [path])))
    assert images[0].read_bytes() == images[1].read_bytes()
    inside = contents(images[0], tmp_path / "inside")
    about = next(inside.glob("lib/python*/site-packages/tiny-1.0.dist-info"))
    record = [line.split(",")[0] for line in (about / "RECORD").read_text().splitlines()]
    missing = [name for name in record if not (about.parent / name).exists()]
    assert "tiny/__init__.py" in record and not missing
    assert not (about / "direct_url.json").exists()
    # Anything else that says where the environment was built would be a path of this test.
    assert not [path for path in inside.rglob("*") if path.is_file() and bytes(tmp_path) in path.read_bytes()]


def test_modules_that_python_imports_at_its_start_give_the_same_bytes(tmp_path):
    wheel = make_wheel(tmp_path / "wheels", "hook", files={"hook.pth": "import hook"})  # as setuptools has one
    images = []
    for place in ("one", "two"):
        images.append(build(make_spec(tmp_path / place, [wheel])))
        time.sleep(1.1)  # file times count in seconds
    assert images[0].read_bytes() == images[1].read_bytes()


def test_store_gets_one_image_and_a_few_small_files(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    spec = checkpoint_spec(tmp_path / "store", path)
    spec["requirements"] = ["tiny", "alpha"]
    launch = tmp_path / "launch"
    launch.mkdir()
    folder = Path(spec["folder"])
    run("get_checkpoint.py", spec=spec, cwd=launch).check_returncode()
    run("lock_requirements.py", "--metadata", folder / METADATA, spec=spec, cwd=launch).check_returncode()
    run("build_image.py", "--lock", folder / LOCK, spec=spec, cwd=launch).check_returncode()
    image = next((tmp_path / "store" / "images").glob("*.squashfs"))
    run("seal_environment.py", "--image", image, spec=spec, cwd=launch).check_returncode()
    runs = f"runs/{spec['env_id']}/"
    files = tree(tmp_path / "store")
    expected = {runs + name for name in (CHECKPOINT, METADATA, LOCK, ENVIRONMENT_SEAL, "venv.squashfs")}
    assert set(files) == expected | {f"images/{image.name}", f"images/{image.name}.json"}
    assert all(size < 10_000 for name, size in files.items() if name != f"images/{image.name}")
    # Nothing beside the store but the cache of uv.
    assert list(launch.iterdir()) == [] and [path.name for path in scratch_folder().iterdir()] == ["uv-cache"]


def test_all_modules_are_compiled_and_not_checked_again(tmp_path, built):
    inside = contents(built[2], tmp_path / "inside")
    modules = list(inside.glob("lib/python*/site-packages/**/*.py"))
    assert {"alpha", "beta", "tiny"} <= {path.parent.name for path in modules}
    for module in modules:
        (compiled,) = module.parent.glob(f"__pycache__/{module.stem}.*.pyc")
        header = compiled.read_bytes()[:16]
        assert header[:4] == MAGIC_NUMBER and header[4:8] == (1).to_bytes(4, "little")  # by hash, unchecked


def test_image_can_be_read_by_everybody(tmp_path, built):
    old = os.umask(0o077)
    try:
        image = build(make_spec(tmp_path / "store", ["tiny", "alpha"]))
    finally:
        os.umask(old)
    assert image.read_bytes() == built[2].read_bytes()
    os.umask(0)
    try:
        inside = contents(image, tmp_path / "inside")
    finally:
        os.umask(old)
    modes = {oct(path.stat().st_mode & 0o777) for path in inside.rglob("*") if not path.is_symlink()}
    assert modes == {"0o755", "0o644"}


def test_folder_instead_of_an_image(tmp_path):
    spec = make_spec(tmp_path / "store", ["tiny"], squash_venv=False)
    image = build(spec)
    assert image.is_dir() and check_image(image, verify=True) is None
    answer = subprocess.run(
        [image / "bin" / "python", "-c", "import tiny; print(tiny.__file__)"], capture_output=True, text=True
    )
    assert answer.stdout.strip() == str(next(image.glob("lib/python*/site-packages/tiny/__init__.py")))
    module = next(image.glob("lib/python*/site-packages/tiny/other.py"))
    module.write_text("changed")
    assert check_image(image, verify=False) is None and "digest differs" in check_image(image, verify=True)
    (image / "bin" / "python").unlink()
    assert "no bin/python" in check_image(image, verify=False)


def test_image_that_exists_stays(copy):
    spec, image = copy
    before = (image.stat().st_ino, image.stat().st_mtime_ns, image.read_bytes(), proof_of(image).read_bytes())
    build_image(EnvironmentSpec(**spec), Path(spec["folder"]) / LOCK)
    assert (image.stat().st_ino, image.stat().st_mtime_ns, image.read_bytes(), proof_of(image).read_bytes()) == before


@pytest.mark.parametrize("whole", [True, False])
def test_image_without_a_proof_is_proved_or_set_aside(copy, built, whole):
    spec, image = copy
    proof_of(image).unlink()
    if not whole:
        os.truncate(image, 4096)
    inode = image.stat().st_ino
    build_image(EnvironmentSpec(**spec), Path(spec["folder"]) / LOCK)
    assert check_image(image, verify=True) is None
    assert image.read_bytes() == built[2].read_bytes()
    assert (image.stat().st_ino == inode) == whole
    assert len(list(image.parent.glob("*.bad-*"))) == (0 if whole else 1)


def test_build_needs_a_whole_lock(copy, tmp_path):
    spec, _ = copy
    path = Path(spec["folder"]) / LOCK
    path.write_text(path.read_text()[:-1])
    before = tree(tmp_path / "store")
    assert "not a whole lock file" in one_line(run("build_image.py", "--lock", path, spec=spec))
    assert tree(tmp_path / "store") == before


# --- failing builds ---------------------------------------------------------------------------------------------------


@pytest.fixture
def failing(tmp_path):
    """Return a function that builds an environment that cannot be built, and returns the line that says why."""

    def fail(spec: dict, **env: str) -> str:
        locked = lock(spec)
        before = tree(tmp_path / "store")
        result = run("build_image.py", "--lock", locked, spec=spec, env=env)
        assert tree(tmp_path / "store") == before
        assert not list(Path(env.get("EVALFLOW_SCRATCH", tmp_path / "scratch")).glob("*/build-*"))
        return one_line(result)

    return fail


def test_module_that_does_not_import(tmp_path, failing):
    spec = make_spec(tmp_path / "store", ["tiny"])
    lock(spec)
    message = failing({**spec, "runner": "onnx"})
    assert "does not work: ModuleNotFoundError: No module named 'onnxruntime'" in message


def test_package_whose_content_is_another_than_locked(tmp_path, failing, monkeypatch):
    index = tmp_path / "index"
    make_wheel(index, "gamma")
    spec = make_spec(tmp_path / "store", ["gamma"])
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    lock(spec)
    make_wheel(index, "gamma", files={"gamma/more.py": "EVIL = True"})
    message = failing(spec, UV_CACHE_DIR=str(tmp_path / "another cache"))
    assert "the environment cannot be built: " in message and "Hash mismatch" in message


def test_no_mksquashfs(tmp_path, failing):
    message = failing(make_spec(tmp_path / "store", ["tiny"]), PATH=str(tmp_path))
    assert message == "evalflow: mksquashfs is not on this host; install squashfs-tools, or set squash_venv: false"


@needs_root
@pytest.mark.parametrize("squash", [True, False])
def test_full_store(tmp_path, failing, squash):
    wheel = make_wheel(tmp_path, "large", files={"large/data.bin": random.Random(1).randbytes(3_000_000)})
    with small_disk(tmp_path / "store", "1M"):
        message = failing(make_spec(tmp_path / "store", [wheel], squash_venv=squash))
        assert str(tmp_path / "store" / "images") in message and "No space left on device" in message


@needs_root
@pytest.mark.parametrize("part", ["packages", "bytecode"])
def test_full_scratch(tmp_path, failing, part):
    """Full while packages are installed, and full while they are compiled, which compileall takes for harmless."""
    numbers = ", ".join(str(number) for number in range(100_000, 180_000))
    size = "1M" if part == "packages" else "1500k"
    files = {f"large/part{number}.py": f"A = [{numbers}]\nB = A" for number in range(2)}
    wheel = make_wheel(tmp_path, "large", files=files)
    with small_disk(tmp_path / "small", size):
        spec = make_spec(tmp_path / "store", [wheel])
        message = failing(spec, EVALFLOW_SCRATCH=str(tmp_path / "small"), UV_CACHE_DIR=str(tmp_path / "cache"))
    assert "cannot be built: " in message and "No space left on device" in message
    assert ("cannot be compiled" in message) == (part == "bytecode")


def test_scratch_that_cannot_be_used(tmp_path, failing):
    (tmp_path / "file").write_text("")
    message = failing(make_spec(tmp_path / "store", ["tiny"]), EVALFLOW_SCRATCH=str(tmp_path / "file"))
    assert "no scratch folder" in message and "set EVALFLOW_SCRATCH" in message


@pytest.mark.parametrize(
    ("phase", "number"),
    [("compile", signal.SIGTERM), ("compile", signal.SIGKILL), ("squash", signal.SIGINT), ("squash", signal.SIGKILL)],
)
def test_killed_build_leaves_nothing_that_looks_finished(tmp_path, phase, number):
    modules = {
        f"large/part{number}.py": "".join(f"A{line} = {line}\n" for line in range(4_000)) for number in range(20)
    }
    wheel = make_wheel(
        tmp_path, "large", files=modules if phase == "compile" else {"large/data.bin": os.urandom(1_000_000)}
    )
    spec = make_spec(tmp_path / "store", [wheel])
    locked = lock(spec)
    before = tree(tmp_path / "store")
    slow = f'"{shutil.which("mksquashfs")}" "$@"; touch "{tmp_path}/squashed"; exec sleep 5'
    env = make_tool(tmp_path / "tools", "mksquashfs", slow)
    process = start("build_image.py", "--lock", locked, spec=spec, env=env)
    try:
        if phase == "compile":
            wait_for(
                lambda: list(
                    (tmp_path / "scratch").glob("*/build-*/venv/lib/python*/site-packages/large/__pycache__/*")
                )
            )
        else:
            wait_for(lambda: (tmp_path / "squashed").exists())
    finally:
        process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number), stderr
    after = {name for name in tree(tmp_path / "store") if not name.endswith(".tmp")}
    assert after == set(before)
    if number != signal.SIGKILL:
        assert tree(tmp_path / "store") == before
        assert not list((tmp_path / "scratch").glob("*/build-*"))
    elif phase == "squash":
        build_image(EnvironmentSpec(**spec), locked)
        assert len(list((tmp_path / "store" / "images").glob("*.squashfs"))) == 1


def test_scratch_of_killed_builds_is_removed_after_some_days(tmp_path):
    stale, recent = scratch_folder() / "build-stale", scratch_folder() / "build-recent"
    for folder in (stale, recent):
        (folder / "venv").mkdir(parents=True)
    os.utime(stale, (1e9, 1e9))
    lock(make_spec(tmp_path / "store", ["tiny"]))
    assert recent.exists() and not stale.exists()


# --- seal -------------------------------------------------------------------------------------------------------------


def test_seal_describes_every_file_and_is_written_last(copy):
    spec, image = copy
    folder = Path(spec["folder"])
    assert not (folder / ENVIRONMENT_SEAL).exists()
    seal_environment(EnvironmentSpec(**spec), image)
    document = json.loads((folder / ENVIRONMENT_SEAL).read_text())
    others = {path.name for path in folder.iterdir()} - {ENVIRONMENT_SEAL}
    assert set(document["files"]) == others == {CHECKPOINT, METADATA, LOCK, "venv.squashfs"}
    for name, proof in document["files"].items():
        content = (folder / name).read_bytes()
        assert proof == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        assert (folder / name).lstat().st_mtime_ns <= (folder / ENVIRONMENT_SEAL).stat().st_mtime_ns
    assert document["env_id"] == spec["env_id"] and document["identity"] == spec["identity"]
    assert document["sha256"] == digest(spec["identity"])
    assert document["image_id"] == image.stem == read_lock(folder / LOCK)["image_id"]
    assert os.readlink(folder / "venv.squashfs") == f"../../images/{image.name}"


def test_first_seal_stays(copy):
    spec, image = copy
    seal_environment(EnvironmentSpec(**spec), image)
    before = (Path(spec["folder"]) / ENVIRONMENT_SEAL).read_bytes()
    seal_environment(EnvironmentSpec(**{**spec, "identity": {}}), image)
    assert (Path(spec["folder"]) / ENVIRONMENT_SEAL).read_bytes() == before


def test_a_checkpoint_that_has_changed_since_the_plan_is_not_sealed(copy):
    spec, image = copy
    planned = {**spec["checkpoint"], "sha256": "0" * 64}
    with pytest.raises(UserError, match="inference-last.ckpt: has changed since the launch was planned; launch again"):
        seal_environment(EnvironmentSpec(**{**spec, "checkpoint": planned}), image)
    assert not (Path(spec["folder"]) / ENVIRONMENT_SEAL).exists()


def test_seal_of_a_store_behind_a_link(copy, tmp_path):
    spec, image = copy
    (tmp_path / "deep" / "down").mkdir(parents=True)
    (tmp_path / "deep" / "down" / "link").symlink_to(tmp_path / "store")
    base = tmp_path / "deep" / "down" / "link"
    spec = {**spec, "folder": str(base / "runs" / spec["env_id"]), "images": str(base / "images")}
    seal_environment(EnvironmentSpec(**spec), base / "images" / image.name)
    assert (Path(spec["folder"]) / "venv.squashfs").resolve() == image


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder, image: os.truncate(image, image.stat().st_size - 1), "bytes instead of"),
        (lambda folder, image: image.unlink(), "cannot be read"),
        (lambda folder, image: proof_of(image).unlink(), "is missing or not whole"),
        (lambda folder, image: os.truncate(proof_of(image), 20), "is missing or not whole"),
        (lambda folder, image: os.truncate(folder / LOCK, 150), "not a whole lock file"),
        (lambda folder, image: (folder / LOCK).unlink(), "not a whole lock file"),
        (lambda folder, image: (folder / CHECKPOINT).unlink(), "No such file"),
        (lambda folder, image: (folder / METADATA).unlink(), "No such file"),
    ],
)
def test_damaged_environment_is_not_sealed(copy, damage, reason):
    spec, image = copy
    damage(Path(spec["folder"]), image)
    assert reason in one_line(run("seal_environment.py", "--image", image, spec=spec))
    assert not (Path(spec["folder"]) / ENVIRONMENT_SEAL).exists()


def test_other_bytes_of_the_same_size_are_found_by_their_digest(copy):
    _, image = copy
    content = bytearray(image.read_bytes())
    content[len(content) // 2] ^= 1
    image.write_bytes(content)
    assert check_image(image, verify=False) is None
    assert "digest differs" in check_image(image, verify=True)
