"""The image: reproducible, proved, and usable by everybody."""

import os
import shutil
import subprocess
import time
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest
from evalflow.environment.image import build_image, check_image
from evalflow.host import scratch_folder
from evalflow.store.layout import CHECKPOINT, ENVIRONMENT_SEAL, LOCK, METADATA, proof_of
from support.environments import (
    build,
    make_wheel,
    one_line,
    run,
    tree,
)
from support.specs import make_checkpoint_spec, make_spec


def contents(image: Path, folder: Path) -> Path:
    subprocess.run(
        ["unsquashfs", "-quiet", "-no-progress", "-dest", folder, image], check=True, stdout=subprocess.DEVNULL
    )
    return folder


def test_same_lock_gives_the_same_bytes(tmp_path, tiny_environment, wheels):
    """Other folders, caches, hash seed, umask, clock and settings of Python."""
    _, locked, image = tiny_environment
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
    assert (spec.images / image.name).read_bytes() == image.read_bytes()
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
    spec = make_checkpoint_spec(tmp_path / "store", path).model_copy(update={"requirements": ["tiny", "alpha"]})
    launch = tmp_path / "launch"
    launch.mkdir()
    folder = spec.folder
    run("get_checkpoint.py", spec=spec, cwd=launch).check_returncode()
    run("lock_requirements.py", "--metadata", folder / METADATA, spec=spec, cwd=launch).check_returncode()
    run("build_image.py", "--lock", folder / LOCK, spec=spec, cwd=launch).check_returncode()
    image = next((tmp_path / "store" / "images").glob("*.squashfs"))
    run("seal_environment.py", "--image", image, spec=spec, cwd=launch).check_returncode()
    runs = f"runs/{spec.env_id}/"
    files = tree(tmp_path / "store")
    expected = {runs + name for name in (CHECKPOINT, METADATA, LOCK, ENVIRONMENT_SEAL, "venv.squashfs")}
    assert set(files) == expected | {f"images/{image.name}", f"images/{image.name}.json"}
    assert all(size < 10_000 for name, size in files.items() if name != f"images/{image.name}")
    # Nothing beside the store but the cache of uv.
    assert list(launch.iterdir()) == [] and [path.name for path in scratch_folder().iterdir()] == ["uv-cache"]


def test_all_modules_are_compiled_and_not_checked_again(tmp_path, tiny_environment):
    inside = contents(tiny_environment[2], tmp_path / "inside")
    modules = list(inside.glob("lib/python*/site-packages/**/*.py"))
    assert {"alpha", "beta", "tiny"} <= {path.parent.name for path in modules}
    for module in modules:
        (compiled,) = module.parent.glob(f"__pycache__/{module.stem}.*.pyc")
        header = compiled.read_bytes()[:16]
        assert header[:4] == MAGIC_NUMBER and header[4:8] == (1).to_bytes(4, "little")  # by hash, unchecked


def test_image_can_be_read_by_everybody(tmp_path, tiny_environment):
    old = os.umask(0o077)
    try:
        image = build(make_spec(tmp_path / "store", ["tiny", "alpha"]))
    finally:
        os.umask(old)
    assert image.read_bytes() == tiny_environment[2].read_bytes()
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
    build_image(spec, spec.folder / LOCK)
    assert (image.stat().st_ino, image.stat().st_mtime_ns, image.read_bytes(), proof_of(image).read_bytes()) == before


@pytest.mark.parametrize("whole", [True, False])
def test_image_without_a_proof_is_proved_or_set_aside(copy, tiny_environment, whole):
    spec, image = copy
    proof_of(image).unlink()
    if not whole:
        os.truncate(image, 4096)
    inode = image.stat().st_ino
    build_image(spec, spec.folder / LOCK)
    assert check_image(image, verify=True) is None
    assert image.read_bytes() == tiny_environment[2].read_bytes()
    assert (image.stat().st_ino == inode) == whole
    assert len(list(image.parent.glob("*.bad-*"))) == (0 if whole else 1)


def test_build_needs_a_whole_lock(copy, tmp_path):
    spec, _ = copy
    path = spec.folder / LOCK
    path.write_text(path.read_text()[:-1])
    before = tree(tmp_path / "store")
    assert "not a whole lock file" in one_line(run("build_image.py", "--lock", path, spec=spec))
    assert tree(tmp_path / "store") == before
