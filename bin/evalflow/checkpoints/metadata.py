"""What a checkpoint says of itself."""

import json
import struct
import zipfile
import zlib
from pathlib import Path

from evalflow.errors import UserError
from evalflow.store.files import to_json
from evalflow.texts import show

_MOST_METADATA = 256 * 1024 * 1024
"""Bytes of metadata to read at most: a small archive may unpack to any number of them."""


def _read_member(path: Path, uri: str) -> bytes | None:
    """Return the metadata in a checkpoint as they stand there, or None where it has none."""
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(("ai-models.json", "anemoi.json")) and "anemoi-metadata" in name:
                    member = archive.getinfo(name)
                    if member.file_size > _MOST_METADATA:
                        raise ValueError(f"{member.file_size:,} bytes of metadata, more than {_MOST_METADATA:,}")
                    # Of these two, no more is decompressed at a time than is asked for.
                    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                        raise ValueError("metadata compressed in another way than by deflate")
                    with archive.open(member) as file:
                        return file.read(_MOST_METADATA)
    except (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, RuntimeError, ValueError) as error:
        reason = show(str(error))[1:-1]
        raise UserError(
            f"{uri}: the checkpoint's archive cannot be read: {reason}; save the checkpoint again"
        ) from None
    return None


def read_metadata(path: Path, uri: str) -> dict:
    """Return what a checkpoint says of itself: anemoi's metadata, else its format.

    A checkpoint may be a pickle: it is never loaded here, only the text member of its archive is
    read.

    Raises
    ------
    UserError
        Where the archive is damaged, or its metadata are not what can be stored as a JSON mapping.
    """
    text = _read_member(path, uri)
    if text is None:
        return {"format": Path(uri).suffix.lstrip(".") or "unknown"}
    try:
        metadata = json.loads(text)
        to_json(metadata).encode("utf-8")  # JSON may name half a character (\ud800), which no file can hold
        if isinstance(metadata, dict):
            return metadata
        problem = "not a mapping"
    except UnicodeEncodeError:
        problem = "no valid Unicode"
    except ValueError:
        problem = "not valid JSON"
    except RecursionError:
        problem = "nested too deeply"
    raise UserError(f"{uri}: the checkpoint's anemoi metadata is {problem}; save the checkpoint again")


def read_task(path: Path) -> str | None:
    """Return what an anemoi checkpoint was trained for (`forecaster`, …), where it says so."""
    metadata = read_metadata(path, path.name)
    inference = metadata.get("metadata_inference")
    task = (inference.get("task") if isinstance(inference, dict) else None) or metadata.get("task")
    return task if isinstance(task, str) else None
