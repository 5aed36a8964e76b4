"""The lock: every package with its hash, and the id of the image that follows from it."""

import hashlib
import json
import shutil
import subprocess
import sys

import pytest
from evalflow.environment import lock as locking
from evalflow.environment import uv
from evalflow.environment.lock import training_warnings
from evalflow.errors import UserError
from evalflow.requirements import read_lock
from evalflow.store.layout import LOCK, METADATA
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.environments import (
    build,
    lock,
    one_line,
    run,
    tree,
)
from support.specs import make_spec


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
    result = run("lock_requirements.py", "--metadata", spec.folder / METADATA, spec=spec)
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
    (spec.folder / METADATA).write_text(json.dumps(metadata))
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
    assert not (spec.folder / LOCK).exists()


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
    (warning,) = training_warnings(spec, known, "3.11.0", "")
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
def test_lock_that_was_truncated_or_edited_is_refused(tiny_environment, tmp_path, data):
    whole = tiny_environment[1].read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.sampled_from([b"", b"\r", b"\n", b"7", b"#", b"\xff"]) | st.binary(min_size=1, max_size=1))
    rest = data.draw(st.sampled_from([whole[place + 1 :], b""]))
    damaged = tmp_path / LOCK
    damaged.write_bytes(whole[:place] + other + rest)
    assert (read_lock(damaged) is None) == (damaged.read_bytes() != whole)


def test_lock_with_other_line_ends_or_more_is_refused(tiny_environment, tmp_path):
    whole = tiny_environment[1].read_bytes()
    for number, content in enumerate([whole + b"six==1.0\n", whole.replace(b"\n", b"\r\n"), b"", b"\n" + whole]):
        (tmp_path / str(number)).write_bytes(content)
        assert read_lock(tmp_path / str(number)) is None
    assert read_lock(tmp_path) is None and read_lock(tmp_path / "missing") is None


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> str:
    """Return the URL of a Git repository with one commit."""
    root = tmp_path_factory.mktemp("repository")
    (root / "pyproject.toml").write_text('[project]\nname = "tiny"\nversion = "1.0"\n')
    about = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], [*about, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root.as_uri()


ACCESS = "check the address, and give Git access to it on this host (an ssh key, a credential helper)"
REACH = "check that this host reaches it (HTTPS_PROXY, certificates)"


@pytest.mark.parametrize(
    ("url", "cause", "cure"),
    [
        ("{repository}@" + SHA, SHA, "check that this commit was pushed there"),
        ("{repository}@no-such-branch", "no-such-branch", "check that this commit was pushed there"),
        ("file:///nowhere/repository@" + SHA, "does not appear to be a git repository", ACCESS),
        ("https://localhost:1/a/b@" + SHA, "Failed to connect to localhost port 1", REACH),
        ("https://no-such-host.invalid/a/b@" + SHA, "Could not resolve host: no-such-host.invalid", REACH),
    ],
)
def test_a_failure_of_git_is_one_line_with_cause_and_cure(tmp_path, repository, url, cause, cure):
    source = url.format(repository=repository)
    spec = make_spec(tmp_path, [f"tiny @ git+{source}"])
    message = one_line(run("lock_requirements.py", "--metadata", spec.folder / METADATA, spec=spec))
    assert message.startswith(f"evalflow: {spec.env_id}: requirements cannot be resolved: tiny @ git+"), message
    assert cause in message, message
    assert message.endswith(f"; {cure}, or name another source of it in extra_requirements"), message
    assert len(message) < 600 and "exit status" not in message and "git-v" not in message, message


def test_a_host_without_git_is_told_to_install_it(tmp_path, repository):
    spec = make_spec(tmp_path, [f"tiny @ git+{repository}@{SHA}"])
    result = run("lock_requirements.py", "--metadata", spec.folder / METADATA, spec=spec, env={"PATH": "/nowhere"})
    message = one_line(result)
    assert "Git executable not found" in message and "; install git, or name another source" in message


SAID = {
    # what Git says → the cure; of servers that no test can ask
    "remote: Repository not found.\nfatal: repository 'https://github.com/a/b/' not found": ACCESS,
    "fatal: could not read Username for 'https://github.com': terminal prompts disabled": ACCESS,
    "fatal: Authentication failed for 'https://git.example.org/a/b/'": ACCESS,
    "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.": ACCESS,
    "ssh: connect to host x port 22: Connection refused\nfatal: Could not read from remote repository.": REACH,
    "Host key verification failed.\nfatal: Could not read from remote repository.": ACCESS,
    "Warning: Permanently added 'x' to the list\nERROR: Repository not found.": ACCESS,
    "fatal: remote error: upload-pack: not our ref 00": "check that this commit was pushed there",
    "fatal: unable to access 'https://x/': SSL certificate problem: self-signed certificate": REACH,
    "fatal: unable to access 'https://x/': The requested URL returned error: 403": ACCESS,
}


@pytest.mark.parametrize(("said", "cure"), SAID.items())
def test_what_git_servers_say_has_a_cure(said, cure, tmp_path, monkeypatch):
    text = f"""   Updating https://x/a/b (00)
error: Failed to download and build `tiny @ git+https://x/a/b@00`
  cause: Git operation failed
  cause: failed to clone into: {tmp_path}/git-v2/db/ddee1635596f59d2
  cause: process didn't exit successfully: `/usr/bin/git fetch {"x" * 900}` (exit status: 128)
         --- stderr
         {said}
"""
    monkeypatch.setattr(uv.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 2, "", text))
    with pytest.raises(UserError) as caught:
        uv.run_uv(["pip"], tmp_path, "env")
    (first, *_) = [line for line in said.splitlines() if not line.startswith("Warning")]
    assert str(caught.value) == (
        f"env: tiny @ git+https://x/a/b@00: {first}; {cure}, or name another source of it in extra_requirements"
    )
