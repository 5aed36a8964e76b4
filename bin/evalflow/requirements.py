"""Requirement texts: one canonical form, and merging."""

import hashlib
import os
import re
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from evalflow.digests import file_digest
from evalflow.lookup import Lookup


def read_lock(path: Path) -> dict | None:
    """Return what a lock file says (`python`, `image_id`), or None where it is not whole."""
    try:
        lines = path.read_bytes().decode("utf-8").split("\n", 3)
        python = re.fullmatch(r"# Locked by evalflow for Python (\S+) on \S+\.", lines[0])
        image_id = re.fullmatch(r"# image_id: ([0-9a-f]{8})", lines[1])
        sha256 = re.fullmatch(r"# sha256: ([0-9a-f]{64})", lines[2])
        if python is None or image_id is None or sha256 is None:
            return None
        if sha256[1] != hashlib.sha256("\n".join([*lines[:2], lines[3]]).encode()).hexdigest():
            return None
        return {"python": python[1], "image_id": image_id[1]}
    except (OSError, UnicodeDecodeError, IndexError):
        return None


TORCH_BUILD = r"cpu|xpu|cu[0-9]{2,3}|rocm[0-9]+(?:\.[0-9]+){1,2}"
"""A build of PyTorch, as uv names it and as PyTorch's versions end: 2.5.1+cu124."""

_LOCKED = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?(?:==(?P<version>\S+)| @ (?P<url>\S+))", re.ASCII)


def locked_packages(text: str) -> dict[str, str]:
    """Return the packages of a lock: name → version, or the URL that it comes from."""
    found = (_LOCKED.match(line) for line in text.splitlines())
    return {canonicalize_name(one["name"]): one["version"] or one["url"] for one in found if one}


_LOCAL_FILE = re.compile(r"^[^\s:@]+\.(?:whl|tar\.gz|zip)$")


def is_local_file(text: str) -> bool:
    """Return whether the requirement is the path of a wheel or a source archive."""
    return bool(_LOCAL_FILE.match(text.strip()))


def canonical_requirement(text: str) -> str:
    """Return the requirement in one spelling: PEP 503 name, sorted extras and clauses, PEP 508.

    A bare URL (`https://…whl`, `git+https://…`) is not PEP 508; it is only stripped.
    """
    text = text.strip()
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return text
    requirement.name = canonicalize_name(requirement.name)
    requirement.extras = {canonicalize_name(extra) for extra in requirement.extras}
    return str(requirement)


def requirement_name(text: str) -> str:
    """Return what the requirement installs: its PEP 503 name if the text says it, else the text."""
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        pass
    wheel = re.search(r"([^/#]+?)-[^-/#]+(?:-[^-/#]+)?-[^-/#]+-[^-/#]+-[^-/#]+\.whl(?:#.*)?$", text)
    if wheel:
        return canonicalize_name(wheel[1])
    egg = re.search(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)", text)
    anemoi = re.search(r"/anemoi-core(?:\.git)?(?:@[^#]*)?#(?:.*&)?subdirectory=(\w+)/?(?:&.*)?$", text)
    if anemoi:
        return f"anemoi-{anemoi[1]}"
    # Of another subdirectory, the name of the repository says nothing.
    repository = egg or re.search(
        r"^git\+\w+://[^/]+/(?:[^@#]*/)?([^/@#]+?)(?:\.git)?(?:@[^#]*)?(?:#(?!.*subdirectory=).*)?$", text
    )
    return canonicalize_name(repository[1]) if repository else text


def merge_requirements(base: list[str], extra: list[str]) -> list[str]:
    """Return both lists as one, canonical and sorted.

    What `extra` says of a package replaces what `base` says of it.
    """
    overridden = {requirement_name(text) for text in extra}
    kept = [text for text in base if requirement_name(text) not in overridden]
    return sorted({canonical_requirement(text) for text in kept + extra})


def identify_requirement(text: str, lookup: Lookup, key: str) -> tuple[str, str]:
    """Return the requirement as identity and as text to install.

    They differ for a local file only: its identity is file name and content, the text its absolute
    path.

    Raises
    ------
    UserError
        Where a local file is missing or unreadable; `key` says which config key named it.
    """
    if not is_local_file(text):
        canonical = canonical_requirement(text)
        return canonical, canonical
    path = Path(os.path.abspath(lookup.require(text.strip(), key)))
    return f"{path.name} sha256:{file_digest(path)}", str(path)
