"""Make images visible by every method, really: mounts, signals, what is left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from evalflow.environment.mount import Environment, mounted
from evalflow.fields.grib.variables import OF_OTHERS
from evalflow.host import scratch_folder
from evalflow.processes import ENDING
from evalflow.store.layout import proof_of
from support.environments import (
    build,
    end,
    is_running,
    make_tool,
    make_wheel,
    needs_mksquashfs,
    needs_root,
    needs_squashfuse,
    one_line,
    run,
    small_disk,
    start,
    wait_for,
)
from support.paths import BIN
from support.specs import make_spec

SCRIPT = "run_in_image.py"
LOOP = pytest.param("loop", marks=needs_root)
SQUASHFUSE = pytest.param("squashfuse", marks=needs_squashfuse)
MOUNTS = [LOOP, SQUASHFUSE]
METHODS = [*MOUNTS, "unpack", "folder"]
SAYS = {"loop": "loop mount", "squashfuse": "squashfuse", "unpack": "unpacked", "folder": "folder"}
pytestmark = needs_mksquashfs

# The command of squashfs-mount 1: IMAGE:MOUNTPOINT -- COMMAND. As a setuid program it drops some variables.
VERSION_1 = """case "$1" in --*) echo "squashfs-mount: unknown option $1" >&2; exit 1;; esac
where="$1"; shift; [ "$1" = -- ] || exit 1; shift; unset TMPDIR LD_LIBRARY_PATH
exec unshare --mount --propagation slave sh -c 'mount -t squashfs -o loop,ro "$1" "$2" && shift 2 && exec "$@"' \\
  sh "${where%%:*}" "${where#*:}" "$@" """
UENV = VERSION_1.replace('case "$1" in --*)', 'case "$1" in [!-]*)', 1).replace('where="$1"', 'where="${1#--sqfs=}"')


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The same environment as image and as folder."""
    root = tmp_path_factory.mktemp("images")
    traceback = "def fail():\n    raise RuntimeError('on purpose')\n"
    wheel = make_wheel(root, "tiny", files={"tiny/other.py": traceback})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_NO_INDEX", "1")
        patch.setenv("EVALFLOW_SCRATCH", str(root / "scratch"))
        squashed = build(make_spec(root / "squashed", [wheel]))
        folder = build(make_spec(root / "folder", [wheel], squash_venv=False))
    return {"folder": folder, **dict.fromkeys(["loop", "squashfuse", "unpack", "squashfs-mount"], squashed)}


@pytest.fixture(autouse=True)
def own_scratch(monkeypatch, tmp_path):
    """Scratch of the test's own. After the test no mount, no process and no mount folder may be left."""
    monkeypatch.setenv("EVALFLOW_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.delenv("EVALFLOW_MOUNT_METHODS", raising=False)
    yield scratch_folder()
    assert left_behind(tmp_path) == []


def mounts(folder: Path) -> list[str]:
    return [line for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line]


def left_behind(folder: Path) -> list[str]:
    """Return mounts, mount folders and processes that name `folder`."""
    found = mounts(folder) + [str(path) for path in folder.glob("scratch/*/mount-*")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{folder}/" in words and int(process.name) != os.getpid():
            found.append(words)
    return found


def use(method: str, images: dict, *words: str, **options):
    options["env"] = {"EVALFLOW_MOUNT_METHODS": "" if method == "folder" else method, **options.get("env", {})}
    return run(SCRIPT, images[method], "--", *words, **options)


def ask(method: str, images: dict, expression: str, **options) -> object:
    """Return the value (JSON-like) of a Python expression in the environment."""
    program = f"import json, os, sys, tiny; print(json.dumps({expression}))"
    result = use(method, images, "python", "-c", program, **options)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


# --- every method -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_command_runs_on_the_environment_and_the_method_is_said(images, method):
    result = use(
        method, images, "python", "-c", "import sys, tiny; print(tiny.__file__.startswith(sys.prefix), tiny.VERSION)"
    )
    assert (result.returncode, result.stdout) == (0, "True 1.0\n")
    assert result.stderr == f"evalflow: {images[method].name} by {SAYS[method]}\n"


@pytest.mark.parametrize("method", METHODS)
def test_exit_status_is_passed_on(images, method, monkeypatch):
    monkeypatch.setenv("EVALFLOW_MOUNT_METHODS", "" if method == "folder" else method)
    commands = {"exit 7": 7, "exec python -c 'raise SystemExit(255)'": 255, "kill -KILL $$": 137}
    with mounted(images[method]) as environment:
        for text, status in commands.items():
            assert environment.run(["sh", "-c", text]) == status
        assert environment.run(["no-such-command"]) == 127
        assert environment.run(["/etc/passwd"]) == 126
    assert use(method, images, "sh", "-c", "exit 7").returncode == 7


@pytest.mark.parametrize("method", METHODS)
def test_words_reach_the_command_as_they_are(images, method):
    words = ["$(touch /tmp/x)", "a b", "", "'\"", "new\nline", "--", "-c", "%s", "*", "ü"]
    result = use(method, images, "python", "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *words)
    assert json.loads(result.stdout) == words


@pytest.mark.parametrize("method", METHODS)
def test_variables_of_the_command(images, method, tmp_path):
    hostile = {
        "PYTHONPATH": str(tmp_path),
        "PYTHONHOME": sys.base_prefix,  # another one would not even let the wrapper start
        "PYTHONDONTWRITEBYTECODE": "1",
        "KEPT": "a\nb $(x)",
        "TMPDIR": str(tmp_path),
    }
    names = "['PYTHONPATH', 'PYTHONHOME', 'PYTHONDONTWRITEBYTECODE', 'EVALFLOW_VENV']"
    program = f"[sys.prefix, [name for name in {names} if name in os.environ], dict(os.environ)]"
    prefix, leaked, variables = ask(method, images, program, env=hostile)
    assert leaked == []
    assert variables["PATH"].split(os.pathsep)[0] == f"{prefix}/bin" and variables["VIRTUAL_ENV"] == prefix
    assert (
        variables["PYTHONNOUSERSITE"] == "1"
        and variables["KEPT"] == "a\nb $(x)"
        and variables["TMPDIR"] == str(tmp_path)
    )


@pytest.mark.parametrize("method", MOUNTS)
def test_compiled_modules_are_used_and_name_where_they_are(images, method):
    result = use(method, images, "python", "-v", "-c", "import sys, tiny.other; print(sys.prefix); tiny.other.fail()")
    root = result.stdout.strip()
    assert f"{root}/lib/python" in result.stderr and "code object from '" + root in result.stderr
    assert f"wrote '{root}" not in result.stderr and "could not create" not in result.stderr
    assert (
        f'File "{root}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages/tiny/other.py", line 2'
        in result.stderr
    )


@pytest.mark.parametrize("method", MOUNTS)
def test_two_at_once(images, method):
    env = {"EVALFLOW_MOUNT_METHODS": method}
    words = ["python", "-c", "import time, tiny; time.sleep(0.5); import tiny.other"]
    running = [start(SCRIPT, images[method], "--", *words, env=env) for _ in range(3)]
    answers = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], answers


# --- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", [*ENDING, signal.SIGKILL])
def test_command_and_its_children_end_with_the_wrapper(images, method, number, tmp_path):
    # A child in the background that ignores SIGTERM, and a command that cleans up.
    program = (
        "trap 'echo cleaned > cleaned; exit 3' TERM; sh -c 'trap \"\" TERM; sleep 60 & wait; sleep 60' & "
        "echo $$ $! > started.tmp; mv started.tmp started; wait"
    )
    env = {"EVALFLOW_MOUNT_METHODS": "" if method == "folder" else method}
    process = start(SCRIPT, images[method], "--", "sh", "-c", program, env=env, cwd=tmp_path)
    wait_for(lambda: (tmp_path / "started").exists() or process.poll() is not None)
    pids = [int(word) for word in (tmp_path / "started").read_text().split()]
    try:
        process.send_signal(number)
        process.communicate(timeout=20)
        wait_for(lambda: not any(is_running(pid) for pid in pids), 10)
    finally:
        for pid in pids:
            end(pid)
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    assert (tmp_path / "cleaned").exists() == (number != signal.SIGKILL)
    if number == signal.SIGKILL:
        wait_for(lambda: not mounts(tmp_path))
        for folder in tmp_path.glob("scratch/*/mount-*"):
            assert list(folder.iterdir()) == []
            folder.rmdir()
        wait_for(lambda: left_behind(tmp_path) == [])


@pytest.mark.parametrize("method", METHODS)
def test_what_a_command_leaves_in_the_background_ends_with_it(images, method, tmp_path):
    result = use(method, images, "sh", "-c", f"sleep 60 > /dev/null 2>&1 & echo $! > '{tmp_path}/pid'; exit 5")
    assert result.returncode == 5
    wait_for(lambda: not is_running(int((tmp_path / "pid").read_text())), 5)


@pytest.mark.parametrize("method", METHODS)
def test_command_that_ignores_sigterm_is_killed(images, method, tmp_path, monkeypatch):
    program = (
        "import sys; sys.argv[0] = 'x'; import signal; from pathlib import Path\n"
        "from evalflow import processes; from evalflow.environment import mount\n"
        "processes._END_SECONDS = 0.5\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "with mount.mounted(Path(sys.argv[1])) as found:\n"
        "    found.run(['sh', '-c', 'trap \"\" TERM; echo $$ > pid.tmp; mv pid.tmp pid; while :; do sleep 1; done'])\n"
    )
    env = {**os.environ, "EVALFLOW_MOUNT_METHODS": "" if method == "folder" else method}
    env["PYTHONPATH"] = str(BIN)
    process = subprocess.Popen([sys.executable, "-c", program, images[method]], env=env, cwd=tmp_path)
    wait_for(lambda: (tmp_path / "pid").exists() or process.poll() is not None)
    process.terminate()
    assert process.wait(timeout=20) == 143
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_no_loop_device_is_left(images):
    if os.geteuid() != 0:
        pytest.skip("a loop mount needs root")
    assert use("loop", images, "true").returncode == 0
    assert str(images["loop"]) not in subprocess.run(["losetup", "--all"], capture_output=True, text=True).stdout


# --- which method -----------------------------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("script", [VERSION_1, UENV], ids=["version 1", "uenv"])
def test_squashfs_mount_comes_first(images, tmp_path, script):
    tool = make_tool(tmp_path / "tools", "squashfs-mount", script)
    program = "import os, sys; print(os.environ['TMPDIR'], sys.prefix); sys.exit(7)"
    result = run(SCRIPT, images["loop"], "--", "python", "-c", program, env={**tool, "TMPDIR": "/tmp/of job"})
    assert result.stderr == f"evalflow: {images['loop'].name} by squashfs-mount\n"
    assert result.returncode == 7 and result.stdout.startswith(f"/tmp/of job {tmp_path}/scratch/")


@needs_root
def test_children_end_with_the_wrapper_by_squashfs_mount(images, tmp_path):
    """The kernel does not end with us what a setuid program started; here, a process that asks not to be ended."""
    tool = make_tool(
        tmp_path / "tools",
        "squashfs-mount",
        VERSION_1.replace("exec unshare", "exec setpriv --pdeathsig clear unshare"),
    )
    program = f"sleep 60 & echo $$ $! > '{tmp_path}/pids.tmp'; mv '{tmp_path}/pids.tmp' '{tmp_path}/pids'; wait"
    process = start(SCRIPT, images["loop"], "--", "sh", "-c", program, env=tool)
    wait_for(lambda: (tmp_path / "pids").exists() or process.poll() is not None)
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    process.kill()
    process.communicate()
    try:
        wait_for(lambda: not any(is_running(pid) for pid in pids), 10)
    finally:
        for pid in pids:
            end(pid)
    for folder in tmp_path.glob("scratch/*/mount-*"):
        folder.rmdir()
    wait_for(lambda: left_behind(tmp_path) == [])


@needs_root
def test_order_without_squashfs_mount(images):
    assert shutil.which("squashfs-mount") is None, "this test is for hosts without it"
    assert run(SCRIPT, images["loop"], "--", "true").stderr.endswith(" by loop mount\n")


@needs_squashfuse
def test_next_method_where_one_does_not_work(images, tmp_path):
    tools = make_tool(tmp_path / "tools", "squashfs-mount", "echo 'not setuid' >&2; exit 1")
    make_tool(tmp_path / "tools", "unshare", "echo 'unshare: Operation not permitted' >&2; exit 1")
    assert run(SCRIPT, images["loop"], "--", "true", env=tools).stderr.endswith(" by squashfuse\n")
    make_tool(tmp_path / "tools", "squashfuse", "echo 'fuse: device not found' >&2; exit 1")
    assert run(SCRIPT, images["loop"], "--", "true", env=tools).stderr.endswith(" by unpacked\n")


def test_all_reasons_in_one_line_where_nothing_works(images, tmp_path):
    tools = make_tool(tmp_path / "tools", "squashfs-mount", "echo 'not setuid' >&2; exit 1")
    make_tool(tmp_path / "tools", "unshare", "echo 'unshare: Operation not permitted' >&2; exit 1")
    make_tool(tmp_path / "tools", "squashfuse", "echo 'fuse: device not found' >&2; exit 1")
    make_tool(tmp_path / "tools", "unsquashfs", "echo 'cannot unpack' >&2; exit 1")
    message = one_line(run(SCRIPT, images["loop"], "--", "true", env=tools))
    assert message.startswith(f"evalflow: {images['loop']}: cannot be made visible on this host (")
    root = "loop: unshare: Operation not permitted" if os.geteuid() == 0 else "loop: only for root"
    for reason in ("squashfs-mount: not setuid", root, "squashfuse: fuse: device not found", "unpack: cannot unpack"):
        assert reason in message
    assert "set squash_venv: false" in message


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_damaged_image(images, tmp_path, damage):
    content = images["loop"].read_bytes()
    image = tmp_path / "damaged.squashfs"
    image.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "text": b"no image\n" * 1000}[damage])
    message = one_line(run(SCRIPT, image, "--", "true"))
    assert str(image) in message
    assert not list(tmp_path.glob("scratch/*/unpacked/*damaged*[!k]"))


def test_image_that_is_not_there(tmp_path):
    assert (
        one_line(run(SCRIPT, tmp_path / "none.squashfs", "--", "true"))
        == f"evalflow: {tmp_path}/none.squashfs: no such image"
    )


def test_folder_without_a_python(tmp_path):
    assert "does not run on this host" in one_line(run(SCRIPT, tmp_path, "--", "true"))


def test_unknown_method(images):
    message = one_line(run(SCRIPT, images["loop"], "--", "true", env={"EVALFLOW_MOUNT_METHODS": "lopp,unpack"}))
    assert message.startswith(
        "evalflow: EVALFLOW_MOUNT_METHODS: unknown method 'lopp'; allowed: squashfs-mount, loop, "
    )


def test_methods_may_be_restricted_and_ordered(images):
    for methods in ("unpack", " unpack , loop", "squashfs-mount,unpack"):
        result = run(SCRIPT, images["loop"], "--", "true", env={"EVALFLOW_MOUNT_METHODS": methods})
        assert result.stderr.endswith(" by unpacked\n"), result.stderr


# --- unpack -----------------------------------------------------------------------------------------------------------


def test_image_is_unpacked_once_for_all_that_use_it(images, tmp_path):
    real = shutil.which("unsquashfs")
    tool = make_tool(
        tmp_path / "tools", "unsquashfs", f'echo unpacked >> "{tmp_path}/count"; sleep 0.5; exec {real} "$@"'
    )
    env = {**tool, "EVALFLOW_MOUNT_METHODS": "unpack"}
    running = [start(SCRIPT, images["unpack"], "--", "python", "-c", "import tiny", env=env) for _ in range(3)]
    answers = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], answers
    assert run(SCRIPT, images["unpack"], "--", "python", "-c", "import tiny", env=env).returncode == 0
    assert (tmp_path / "count").read_text() == "unpacked\n"
    (unpacked,) = [path for path in tmp_path.glob("scratch/*/unpacked/*") if path.is_dir()]
    assert json.loads(proof_of(images["unpack"]).read_text())["sha256"].startswith(unpacked.name.rpartition("-")[2])


def test_killed_unpacking_is_done_again(images, tmp_path):
    real = shutil.which("unsquashfs")
    tool = make_tool(tmp_path / "tools", "unsquashfs", f'{real} "$@"; touch "{tmp_path}/unpacked"; exec sleep 2')
    env = {**tool, "EVALFLOW_MOUNT_METHODS": "unpack"}
    process = start(SCRIPT, images["unpack"], "--", "true", env=env)
    wait_for(lambda: (tmp_path / "unpacked").exists())
    process.kill()
    process.communicate()
    assert not [path for path in tmp_path.glob("scratch/*/unpacked/[!.]*") if path.is_dir()]
    assert use("unpack", images, "python", "-c", "import tiny").returncode == 0


def test_images_of_the_same_name_are_not_mixed_up(images, tmp_path):
    other = tmp_path / "other" / images["unpack"].name
    other.parent.mkdir()
    subprocess.run(
        ["unsquashfs", "-q", "-n", "-d", tmp_path / "inside", images["unpack"]], check=True, stdout=subprocess.DEVNULL
    )
    next((tmp_path / "inside").glob("lib/python*/site-packages/tiny/__init__.py")).write_text("VERSION = 'other'")
    shutil.rmtree(next((tmp_path / "inside").glob("lib/python*/site-packages/tiny/__pycache__")))
    subprocess.run(["mksquashfs", tmp_path / "inside", other, "-quiet", "-no-progress"], check=True)
    assert ask("unpack", {"unpack": other}, "tiny.VERSION") == "other"
    assert ask("unpack", images, "tiny.VERSION") == "1.0"
    content = other.with_name("copy.squashfs")
    shutil.copy(images["unpack"], content)
    assert ask("unpack", {"unpack": content}, "tiny.VERSION") == "1.0"
    content.unlink()
    shutil.copy(other, content)
    assert ask("unpack", {"unpack": content}, "tiny.VERSION") == "other"


@needs_root
def test_full_scratch(images, tmp_path):
    with small_disk(tmp_path / "small", "16k"):
        env = {"EVALFLOW_MOUNT_METHODS": "unpack", "EVALFLOW_SCRATCH": str(tmp_path / "small")}
        assert "No space left on device" in one_line(run(SCRIPT, images["unpack"], "--", "true", env=env))
        assert not [path for path in (tmp_path / "small").glob("*/unpacked/*") if path.is_dir()]


def test_commands_do_not_see_what_a_shell_tells_ecCodes(monkeypatch, tmp_path):
    for name in (*OF_OTHERS, "ECCODES_OF_THE_SITE"):
        monkeypatch.setenv(name, "/elsewhere")
    seen = Environment("folder", tmp_path).variables()
    assert not set(OF_OTHERS) & set(seen) and seen["ECCODES_OF_THE_SITE"] == "/elsewhere"
