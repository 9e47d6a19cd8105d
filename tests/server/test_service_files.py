# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The server as a service: metrics, systemd's socket, and packaging files that name what exists."""

import configparser
import json
import re
import socket
import struct
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import click
import pytest

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import JobSpec
from limbeck_server.cli import limbeck as command_line
from limbeck_server.commands.serve import serve
from limbeck_server.metrics import HELP, open_metrics
from limbeck_server.settings import ServerSettings
from limbeck_server.systemd import notify
from server.harness import Place, connected, limbeck, run_job, running_server, wait_until

ROOT = Path(__file__).parents[2]
SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="[^"\\]*"\})? [0-9.e+]+\Z')


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scrape(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read().decode()


def test_metrics_count_what_happens(tmp_path: Path) -> None:
    port = free_port()
    with running_server(tmp_path, "--metrics", f"127.0.0.1:{port}") as server, connected(server) as client:
        run_job(client, JobSpec("a penguin"))
        wait_until(lambda: 'limbeck_jobs{state="succeeded"} 1\n' in scrape(port))
        text = scrape(port)
        with pytest.raises(urllib.error.HTTPError):
            scrape(port, "/other")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if SAMPLE.match(line) is None] == []
    assert 'limbeck_requests_total{type="job.submit"} 1' in lines
    assert "limbeck_sessions 1" in lines
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")} == HELP.keys()


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("0.0.0.0:9464", "E_INSECURE_BIND"),
        *((address, "E_ADDRESS") for address in ("nine", "127.0.0.1:", "h:99999", f"h:{'9' * 5000}")),
    ],
)
def test_metrics_are_for_this_machine(address: str, code: str) -> None:
    with pytest.raises(ProtocolError, match=code):
        open_metrics(address)


def test_a_server_whose_metrics_are_refused_never_listens(tmp_path: Path) -> None:
    done = limbeck(Place(tmp_path), "serve", "--metrics", "0.0.0.0:9464")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [line for line in done.stderr.splitlines() if "E_INSECURE_BIND" in line]


def test_a_scraper_that_hangs_up_leaves_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    metrics = open_metrics("127.0.0.1:0")
    assert metrics is not None
    with closing(metrics):
        with socket.create_connection(("127.0.0.1", metrics.port)) as scraper:
            scraper.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closes with a reset
            scraper.sendall(b"GET /metrics HTTP/1.0\r\n")
            time.sleep(0.2)
        scrape(metrics.port)  # one scrape after the other: the first has ended
    assert capfd.readouterr().err == ""


def test_a_taken_port_is_a_typed_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ProtocolError, match="E_ADDRESS"):
            open_metrics(f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's; run there")
def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        notify("READY=1")
        assert listener.recv(100) == b"READY=1"
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")  # nobody listens: no error


@pytest.mark.parametrize(
    ("file", "command", "flags", "kind"),
    [("limbeck", "serve", [], "notify"), ("limbeck-worker", "worker", ["--key"], "exec")],
)
def test_the_units_start_commands_that_exist(file: str, command: str, flags: list[str], kind: str) -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    unit.read(ROOT / "packaging" / f"{file}.service")
    program, *words = unit["Service"]["ExecStart"].split()
    options = {
        option
        for parameter in command_line.get_command(click.Context(command_line), command).params
        for option in parameter.opts
    }
    assert (Path(program).name, words[0]) == ("limbeck", command)
    assert [word for word in words[1:] if word.startswith("-")] == flags
    assert set(flags) <= options
    assert unit["Service"]["Type"] == kind
    assert "After" not in unit["Unit"], "a user's manager has no network targets"
    assert (unit["Service"]["ProtectSystem"], unit["Service"]["PrivateTmp"]) == ("strict", "yes"), "/tmp is writable"


def test_the_image_starts_a_command_that_exists_and_copies_what_is_there() -> None:
    text = (ROOT / "packaging" / "Containerfile").read_text()
    options = {option for parameter in serve.params for option in parameter.opts}
    [command] = re.findall(r'^CMD \["serve", "(--\w+)", "tcp://0\.0\.0\.0:7711"\]$', text, re.MULTILINE)
    assert command in options
    sources = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY")]
    assert all((ROOT / source).exists() for line in sources for source in line)
    [volumes] = re.findall(r"^VOLUME (.+)$", text, re.MULTILINE)
    assert json.loads(volumes) == ["/data", "/config", "/state"]
    folders = {name for name in ServerSettings.__dataclass_fields__ if name.endswith("_folder")}
    assert all(f"LIMBECK_{name.removesuffix('_folder').upper()}_DIR=/" in text for name in folders)
