"""A hub on the loopback: what huggingface_hub asks of the Hugging Face hub for data sets, answered over HTTP.

The client is the real one (HF_ENDPOINT). Files are kept in memory: large ones come by the protocol of Git LFS, as the
hub takes them without Xet (HF_HUB_DISABLE_XET=1), small ones in the commit. A commit is all or nothing.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

_REGULAR = (".md", ".json", ".cff", ".gitattributes")
"""Endings of files that go into a commit as they are; others are large."""


@dataclass
class Repository:
    """A data set: its files by revision, the last one first."""

    private: bool
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)

    @property
    def head(self) -> str:
        return self.commits[0][0]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[0][1]

    def commit(self, files: dict[str, bytes]) -> str:
        listed = "".join(f"{path}{hashlib.sha1(files[path]).hexdigest()}" for path in sorted(files))
        sha = hashlib.sha1(f"{len(self.commits)}{listed}".encode()).hexdigest()
        self.commits.insert(0, (sha, files))
        return sha


@dataclass
class Hub:
    """The hub's state, and what was asked of it."""

    token: str
    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    break_uploads_after: int | None = None
    """Connections of uploads are cut once so many objects have come."""
    changes_meanwhile: bool = False
    """Somebody else commits between the look and the commit."""
    read_only: bool = False

    def made(self, name: str, private: bool, files: dict[str, bytes] | None = None) -> Repository:
        repository = self.repositories[name] = Repository(private)
        repository.commit({".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", **(files or {})})
        return repository


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, value: Any = None, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        body = json.dumps(value).encode() if value is not None else body
        self.send_response(status)
        for name, text in {"Content-Length": f"{len(body)}", **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, says: str, code: str = "") -> None:
        self._answer(status, {"error": says}, {"X-Error-Message": says, **({"X-Error-Code": code} if code else {})})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def do_POST(self) -> None:
        path, body = unquote(urlparse(self.path).path), self._body()
        self.hub.asked.append(("POST", path))
        if path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif not self._known():
            self._refuse(401, "Invalid credentials in Authorization header")
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.hub.read_only:
            self._refuse(403, "Forbidden: you must have write access")
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/preupload/main", path):
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "regular" if file["path"].endswith(_REGULAR) else "lfs",
                    "shouldIgnore": False,
                    "oid": self._oid(match[1], file["path"]),
                }
                for file in json.loads(body)["files"]
            ]
            self._answer(200, {"files": files})
        elif re.fullmatch(r"/datasets/[^/]+/[^/]+\.git/info/lfs/objects/batch", path):
            self._answer(200, {"objects": [self._action(object_) for object_ in json.loads(body)["objects"]]})
        elif path == "/verify":
            given = json.loads(body)
            right = len(self.hub.objects.get(given["oid"], b"")) == given["size"]
            self._answer(200 if right else 404, {})
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/commit/main", path):
            self._commit(match[1], [json.loads(line) for line in body.splitlines()])
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/paths-info/([^/]+)", path):
            wanted = (
                parse_qs(body.decode()).get("paths", []) if not body.startswith(b"{") else json.loads(body)["paths"]
            )
            entries = self._entries(match[1], match[2], "", True)
            self._answer(200, [entry for entry in entries if entry["path"] in wanted])
        else:
            self._refuse(404, f"POST {path} is not known to this hub")

    def _create(self, given: dict[str, Any]) -> None:
        name = f"{given['organization']}/{given['name']}"
        url = f"{self.hub.address}/datasets/{name}"
        if self.hub.read_only:
            self._refuse(403, f"You don't have the rights to create a dataset under the namespace {name}")
        elif name in self.hub.repositories:
            self._answer(409, {"error": "You already created this dataset repo", "url": url})
        else:
            self.hub.made(name, given.get("private", False) or given.get("visibility") == "private")
            self._answer(200, {"url": url, "name": name})

    def _oid(self, name: str, path: str) -> str | None:
        data = self.hub.repositories[name].files.get(path)
        if data is None:
            return None
        if path.endswith(_REGULAR):
            return hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()
        return hashlib.sha256(data).hexdigest()

    def _action(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["oid"] in self.hub.objects:
            return given
        upload = {"href": f"{self.hub.address}/objects/{given['oid']}"}
        verify = {"href": f"{self.hub.address}/verify"}
        return given | {"actions": {"upload": upload, "verify": verify}}

    def do_PUT(self) -> None:
        """An object; addresses of uploads are signed, so no token is sent with them."""
        limit = self.hub.break_uploads_after
        if limit is not None and len(self.hub.uploads) >= limit:
            self.rfile.read(100)
            self.close_connection = True
            self.connection.close()
            return
        oid, data = self.path.rsplit("/", 1)[-1], self._body()
        if hashlib.sha256(data).hexdigest() != oid:
            self._refuse(400, "the content does not have that hash")
            return
        self.hub.objects[oid] = data
        self.hub.uploads.append(oid)
        self._answer(200)

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        repository = self.hub.repositories[name]
        if self.hub.changes_meanwhile:
            repository.commit({**repository.files, "notes.txt": b"mine"})
        parent = lines[0]["value"].get("parentCommit")
        if parent not in (None, repository.head):
            self._refuse(412, "A commit has happened since. Please refresh and try again.")
            return
        files = dict(repository.files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            else:
                files = {
                    path: data
                    for path, data in files.items()
                    if path != value["path"] and not path.startswith(f"{value['path'].rstrip('/')}/")
                }
        sha = repository.commit(files)
        self._answer(200, {"commitUrl": f"{self.hub.address}/datasets/{name}/commit/{sha}", "commitOid": sha})

    def _files(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        commits = self.hub.repositories[name].commits
        return next(((sha, files) for sha, files in commits if revision in ("main", sha)), None)

    def _entries(self, name: str, revision: str, folder: str, deep: bool) -> list[dict[str, Any]]:
        _, files = self._files(name, revision) or ("", {})
        inside = {path: data for path, data in files.items() if path.startswith(f"{folder}/" if folder else "")}
        listed: dict[str, dict[str, Any]] = {}
        for path, data in sorted(inside.items()):
            rest = path.removeprefix(f"{folder}/" if folder else "")
            parts = rest.split("/")
            for depth in range(1, len(parts)):
                above = "/".join([*([folder] if folder else []), *parts[:depth]])
                if deep or depth == 1:
                    listed.setdefault(above, {"type": "directory", "oid": "0" * 40, "size": 0, "path": above})
            if deep or len(parts) == 1:
                entry = {"type": "file", "oid": self._oid(name, path), "size": len(data), "path": path}
                if not path.endswith(_REGULAR):
                    sha = hashlib.sha256(data).hexdigest()
                    entry["lfs"] = {"oid": sha, "size": len(data), "pointerSize": 130}
                listed[path] = entry
        return list(listed.values())

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlparse(self.path).path)
        self.hub.asked.append((self.command, path))
        match = re.fullmatch(r"/(?:api/)?datasets/([^/]+/[^/]+)(/.*)?", path)
        repository = self.hub.repositories.get(match[1]) if match else None
        if self.headers.get("Authorization") and not self._known():
            self._refuse(401, "Invalid credentials in Authorization header")
            return
        if match is None or repository is None or (repository.private and not self._known()):
            self._refuse(401 if not self._known() else 404, "Repository Not Found", "RepoNotFound")
            return
        name, rest = match[1], (match[2] or "").removeprefix("/")
        if path.startswith("/api/") and (tree := re.fullmatch(r"tree/([^/]+)/?(.*)", rest)):
            deep = parse_qs(urlparse(self.path).query).get("recursive", [""])[0].lower() == "true"
            self._answer(200, self._entries(name, tree[1], tree[2], deep))
        elif path.startswith("/api/") and (rest == "" or rest.startswith("revision/")):
            self._info(name, rest.removeprefix("revision/") or "main")
        elif resolved := re.fullmatch(r"resolve/([^/]+)/(.+)", rest):
            self._resolve(name, resolved[1], resolved[2])
        else:
            self._refuse(404, f"{self.command} {path} is not known to this hub")

    def _info(self, name: str, revision: str) -> None:
        known = self._files(name, revision)
        if known is None:
            self._refuse(404, "Revision Not Found", "RevisionNotFound")
            return
        sha, files = known
        siblings = [{"rfilename": path} for path in sorted(files)]
        facts = {"id": name, "sha": sha, "private": self.hub.repositories[name].private, "siblings": siblings}
        self._answer(200, facts | {"lastModified": "2026-01-01T00:00:00.000Z", "tags": [], "downloads": 0})

    def _resolve(self, name: str, revision: str, path: str) -> None:
        sha, files = self._files(name, revision) or ("", {})
        if path not in files:
            self._refuse(404, "Entry not found", "EntryNotFound")
            return
        data, headers = files[path], {"X-Repo-Commit": sha, "ETag": f'"{self._oid(name, path)}"'}
        if span := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            start, stop = int(span[1]), int(span[2] or len(data) - 1) + 1
            headers["Content-Range"] = f"bytes {start}-{min(stop, len(data)) - 1}/{len(data)}"
            self._answer(206, headers=headers, body=data[start:stop])
            return
        self._answer(200, headers=headers, body=data)


@contextmanager
def running(token: str) -> Iterator[Hub]:
    """A hub that knows one token, for as long as the block lasts."""
    hub = Hub(token)
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
