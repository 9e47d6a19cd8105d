# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A model hub on loopback: lists repositories, serves their files in ranges, and misbehaves when asked to."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL_BYTES = 64
"""Files up to this size have no hash at the hub, as those outside LFS."""


@dataclass
class FakeHub:
    """What the hub has.

    Attributes:
        repos: name to files by path.
        gated, private: names that answer accordingly.
        cut_after: bytes after which each download breaks off, until it has done so ``cuts`` times.
        lies: paths whose content is not what the listing says.
        commit: of every repository, whatever revision is asked for.
    """

    repos: dict[str, dict[str, bytes]]
    gated: set[str] = field(default_factory=set)
    cut_after: int = 0
    cuts: int = 0
    lies: set[str] = field(default_factory=set)
    ranges: list[str] = field(default_factory=list)
    address: str = ""
    commit: str = COMMIT


@contextmanager
def running(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve the hub on a free port of loopback."""

    class Handler(_Handler):
        fake = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    fake: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        return

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0].lstrip("/")
        repo = "/".join(path.removeprefix("api/models/").split("/")[:2])
        if repo in self.fake.gated:
            self._refuse(401, "GatedRepo")
        elif repo not in self.fake.repos:
            self._refuse(401, "RepoNotFound")
        elif path.startswith("api/models/"):
            self._list(repo)
        else:
            self._send_file(repo, path.removeprefix(f"{repo}/resolve/").partition("/")[2], with_body=with_body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _list(self, repo: str) -> None:
        files = self.fake.repos[repo]
        siblings = [
            {"rfilename": path, "size": len(data), "blobId": "0" * 40, **_lfs(data)} for path, data in files.items()
        ]
        body = json.dumps(
            {"id": repo, "sha": self.fake.commit, "siblings": siblings, "private": False, "tags": []}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, repo: str, path: str, *, with_body: bool) -> None:
        data = self.fake.repos[repo].get(path)
        if data is None:
            self._refuse(404, "EntryNotFound")
            return
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        sent = bytes(len(data)) if path in self.fake.lies else data
        self.send_response(206 if asked else 200)
        self.send_header("X-Repo-Commit", self.fake.commit)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if with_body:
            self._send_body(sent[start:], asked)

    def _send_body(self, data: bytes, asked: str) -> None:
        self.fake.ranges.append(asked)
        if self.fake.cuts and len(data) > self.fake.cut_after:
            self.fake.cuts -= 1
            self.wfile.write(data[: self.fake.cut_after])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(data)


def _lfs(data: bytes) -> dict[str, Any]:
    if len(data) <= SMALL_BYTES:
        return {}
    return {"lfs": {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}}
