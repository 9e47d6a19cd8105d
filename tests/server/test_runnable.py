# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a server refuses at submission because no worker of its machine could run it."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from limbeck_protocol.client import Client, Connected, RequestFailed
from limbeck_protocol.job import JobSpec
from limbeck_server import devices
from limbeck_server.devices import Device, may_compute_on
from server.harness import first, run_job, submit
from server.in_process import service


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with (
        service(tmp_path, monkeypatch) as endpoint,
        closing(Client(endpoint, app="test", client_id="test")) as client,
    ):
        first(client, Connected)
        yield client


def refusal(client: Client, job: JobSpec) -> tuple[str, str | None]:
    client.submit(job)
    error = first(client, RequestFailed).error
    return error.code, error.field


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows' devices are known to the driver alone; run on Linux, macOS"
)
def test_a_device_that_no_worker_has_is_refused(client: Client) -> None:
    assert refusal(client, JobSpec("a penguin", device="cuda")) == ("E_DEVICE", "device")
    job, _ = run_job(client, JobSpec("trace", device="cpu", steps=4))
    client.fork(job, {"device": "cuda"})
    assert first(client, RequestFailed).error.code == "E_DEVICE"


def test_a_folder_without_a_model_is_refused(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    assert refusal(client, JobSpec("a penguin", prior=str(folder))) == ("E_MODEL_UNKNOWN", "prior")
    folder.mkdir()
    assert refusal(client, JobSpec("a penguin", prior=str(folder))) == ("E_MODEL_UNKNOWN", "prior")
    (folder / "multi_view").mkdir()
    assert submit(client, JobSpec("a penguin", prior=str(folder)))
    assert submit(client, JobSpec("a penguin", prior="sd-2.1-base"))


def test_only_a_sure_no_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert may_compute_on("cuda", [Device("default"), Device("cuda:1")])
    monkeypatch.setattr(sys, "platform", "linux")
    assert not may_compute_on("mps", [Device()])
    assert all(may_compute_on(device, [Device()]) for device in ("auto", "cpu"))
    monkeypatch.setattr(devices, "CUDA_NODES", (os.devnull,))
    assert may_compute_on("cuda", [Device()]), "a driver is there: torch decides"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert not may_compute_on("cuda", [Device()])
    monkeypatch.setattr(sys, "platform", "darwin")
    assert may_compute_on("mps", [Device()])
    assert not may_compute_on("cuda", [Device()])
