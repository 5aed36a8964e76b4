"""A server that speaks as the Hugging Face hub does."""

import hashlib
import re
from urllib.parse import unquote, urlsplit

from support.servers import CONTENT, OTHER, SECRET, Handler, Server

OLD = "1" * 40
NEW = "2" * 40


class Hub(Handler):
    """The hub: answers to HEAD and GET of /ORG/REPO/resolve/REVISION/FILE, and sends large files from another host."""

    def answer(self, body: bytes) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/storage/"):
            return self._storage(path.removeprefix("/storage/"))
        match = re.fullmatch(r"/(org/[\w.-]+)/resolve/(main|refs/pr/1|[12]{40}|gone)/(.+)", path)
        if not match or match[1] not in ("org/repo", "org/gated"):
            return self.send(401, {"X-Error-Code": "RepoNotFound"})
        if match[1] == "org/gated":
            return self.send(403, {"X-Error-Code": "GatedRepo"})
        if match[2] == "gone":
            return self.send(404, {"X-Error-Code": "RevisionNotFound"})
        commit = self.server.branches.get(match[2], match[2])
        content = self.server.files.get((commit, match[3]))
        if content is None:
            return self.send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        sha256 = hashlib.sha256(content).hexdigest()
        self.send(
            302,
            {
                "X-Repo-Commit": commit,
                "X-Linked-Etag": f'"{self.server.sha256 or sha256}"',
                "X-Linked-Size": str(len(content)),
                # Another host name than the hub's own: the token must not go there.
                "Location": f"http://localhost:{self.server.server_port}/storage/{sha256}?Signature={SECRET}-signed",
            },
        )

    def _storage(self, sha256: str) -> None:
        (content,) = {one for one in self.server.files.values() if hashlib.sha256(one).hexdigest() == sha256}
        faults = self.server.faults
        cut = faults.cuts.pop(0) if faults.cuts else None
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if faults.ranges else None
        if match:
            start = int(match[1])
            headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            return self.send(206, headers, content[start:], cut)
        self.send(200, {}, content, cut)


class HubServer(Server):
    """The hub's content: commit and path → bytes; branch → commit; the digest to claim in place of the right one."""

    def __init__(self) -> None:
        self.files = {
            (OLD, "a.ckpt"): CONTENT,
            (NEW, "a.ckpt"): OTHER,
            (OLD, "2025-10/b c.ckpt"): OTHER,
            (OLD, "empty.ckpt"): b"",
        }
        self.branches = {"main": OLD, "refs/pr/1": NEW}
        self.sha256: str | None = None
        super().__init__(Hub)


def file_url(revision: str = "main", file: str = "a.ckpt", verb: str = "resolve") -> str:
    return f"https://huggingface.co/org/repo/{verb}/{revision}/{file}"
