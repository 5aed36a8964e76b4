"""Build the environment of the demo's models twice, with packages from the network, and compare the images."""

import subprocess

import pytest
from evalflow.environment.image import check_image
from evalflow.environment.seal import seal_environment
from evalflow.host import target_platform
from evalflow.requirements import read_lock
from evalflow.runners.registry import runner_named
from evalflow.store.files import read_json
from evalflow.store.layout import CHECKPOINT
from support.environments import lock, needs_mksquashfs, needs_root, run
from support.paths import DEMO
from support.specs import make_spec

pytestmark = needs_mksquashfs


@pytest.fixture(scope="module")
def built_twice(tmp_path_factory):
    """The demo's environment, built twice: by hosts that differ in whatever does not matter. (spec, image) of both."""
    root = tmp_path_factory.mktemp("builds")
    first = make_spec(root / "first", runner="onnx", platform=target_platform())
    second = make_spec(root / "a longer path" / "second", runner="onnx", platform=target_platform())
    (root / "a longer path" / "launch").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVALFLOW_SCRATCH", str(root / "scratch"))
        locked = lock(first)
        # Each with a scratch folder, and so with a cache of uv, of its own.
        results = [
            run("build_image.py", "--lock", locked, spec=first, cwd=root),
            run("build_image.py", "--lock", locked, spec=second, cwd=root / "a longer path" / "launch", umask=0o077,
                env={"EVALFLOW_SCRATCH": str(root / "a longer path" / "scratch"), "PYTHONHASHSEED": "7",
                     "PYTHONDONTWRITEBYTECODE": "1", "TZ": "Asia/Tokyo"}),
        ]  # fmt: skip
        assert [result.returncode for result in results] == [0, 0], results
        name = f"{read_lock(locked)['image_id']}.squashfs"
        yield [(spec, spec.images / name) for spec in (first, second)]


def test_same_lock_gives_the_same_bytes(built_twice):
    (_, first), (_, second) = built_twice
    assert first.stat().st_size > 10_000_000
    assert first.read_bytes() == second.read_bytes()


def test_nothing_but_the_image_is_in_the_store(built_twice):
    (spec, image), _ = built_twice
    (spec.folder / CHECKPOINT).symlink_to(DEMO / "tinycast.onnx")
    assert check_image(image, verify=True) is None
    seal_environment(spec, image)
    store = spec.images.parent
    files = sorted(str(path.relative_to(store)) for path in store.rglob("*") if not path.is_dir())
    runs = f"runs/{spec.env_id}"
    names = ("anemoi.json", "env.json", "inference-last.ckpt", "requirements.txt", "venv.squashfs")
    assert files == [f"images/{image.name}", f"images/{image.name}.json", *(f"{runs}/{name}" for name in names)]
    assert read_json(spec.folder / "env.json")["files"]["venv.squashfs"]["size"] == image.stat().st_size
    assert not list(image.parents[2].glob("**/build-*"))


@needs_root
def test_packages_import_from_compiled_files(built_twice):
    _, (_, image) = built_twice
    modules = runner_named("onnx").imports
    program = (
        f"import {', '.join(modules)}, numpy, importlib.util, sys\n"
        "inside = [m for m in list(sys.modules.values()) if str(getattr(m, '__file__', '')).startswith(sys.prefix)]\n"
        "sources = [m.__file__ for m in inside if m.__file__.endswith('.py')]\n"
        "flags = {open(importlib.util.cache_from_source(path), 'rb').read(8)[4:] for path in sources}\n"
        "print(len(sources) > 100, flags == {(1).to_bytes(4, 'little')})"
    )
    result = run("run_in_image.py", image, "--", "python", "-c", program)
    assert (result.returncode, result.stdout) == (0, "True True\n"), result.stderr


def test_libraries_do_not_name_the_folder_that_they_were_built_in(built_twice):
    (spec, image), _ = built_twice
    inside = spec.folder.parent / "inside"
    subprocess.run(
        ["unsquashfs", "-quiet", "-no-progress", "-dest", inside, image], check=True, stdout=subprocess.DEVNULL
    )
    build = bytes(image.parents[2])
    assert not [
        path for path in inside.rglob("*") if path.is_file() and not path.is_symlink() and build in path.read_bytes()
    ]
