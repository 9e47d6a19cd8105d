# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The extension's zips and their repository: what is in them, and that Blender takes them."""

import importlib.util
import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

import limbeck
from blender.conftest import BPY_PYTHON
from blender.test_in_blender import blender_environment

ROOT = Path(__file__).resolve().parents[2]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_extension", ROOT / "packaging" / "build_extension.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_extension"] = module
    spec.loader.exec_module(module)
    return module


build_extension = _load()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pyzmq wheels of one platform for both Pythons, from the index that pip uses."""
    folder = tmp_path_factory.mktemp("wheels")
    for target in build_extension.TARGETS:
        try:
            build_extension.fetch_pyzmq("linux-x64", target.python, folder, None)
        except build_extension.BuildError as error:
            if not is_index_reachable():
                pytest.skip(f"needs a network or pip's own mirror, to fetch pyzmq: {error.message}")
            raise
    return folder


def is_index_reachable() -> bool:
    """Return whether pip finds any version of pyzmq, for whatever platform."""
    command = [sys.executable, "-m", "pip", "index", "versions", "pyzmq", "--disable-pip-version-check"]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


@pytest.fixture(scope="module")
def zips(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return build_extension.build(tmp_path_factory.mktemp("out"), ("linux-x64",), wheels)


def manifest_of(archive: Path) -> dict:
    with zipfile.ZipFile(archive) as opened:
        return tomllib.loads(opened.read("blender_manifest.toml").decode())


def test_manifest_has_the_version_of_limbeck() -> None:
    manifest = tomllib.loads((ROOT / "blender_addon" / "blender_manifest.toml").read_text())
    assert manifest["version"] == limbeck.__version__ == build_extension.limbeck_version()


def test_two_zips_share_the_blender_versions_without_overlap(zips: list[Path]) -> None:
    old, new = (manifest_of(archive) for archive in zips)
    assert (old["blender_version_min"], old["blender_version_max"]) == ("4.2.0", "5.1.0")
    assert new["blender_version_min"] == "5.1.0"
    assert "blender_version_max" not in new


def test_each_zip_holds_the_wheels_it_names(zips: list[Path]) -> None:
    for archive, tag in zip(zips, ("cp311-cp311", "cp312-abi3"), strict=True):
        named = [name.removeprefix("./") for name in manifest_of(archive)["wheels"]]
        held = [name for name in zipfile.ZipFile(archive).namelist() if name.endswith(".whl")]
        assert named == held
        assert sum(tag in name for name in held) == 1
        assert any("limbeck_protocol" in name for name in held)


def test_zip_holds_the_extension_and_its_licence_only(zips: list[Path]) -> None:
    names = {name for name in zipfile.ZipFile(zips[0]).namelist() if not name.startswith("wheels/")}
    addon = ROOT / "blender_addon"
    parts = [path for path in addon.rglob("*") if path.suffix in (".py", ".json")]
    assert names == {path.relative_to(addon).as_posix() for path in parts} | {"blender_manifest.toml", "LICENSE"}


def test_same_inputs_give_the_same_bytes(zips: list[Path], wheels: Path, tmp_path: Path) -> None:
    again = build_extension.build(tmp_path, ("linux-x64",), wheels)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in zips]


def test_protocol_wheel_holds_every_module_of_the_protocol(tmp_path: Path) -> None:
    wheel = zipfile.ZipFile(build_extension.build_protocol_wheel(tmp_path))
    sources = {f"limbeck_protocol/{path.name}" for path in (ROOT / "server" / "limbeck_protocol").glob("*.py")}
    assert sources <= set(wheel.namelist())
    assert not any(name.startswith("limbeck_server") for name in wheel.namelist())


def test_wheel_that_cannot_be_had_is_a_typed_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none").mkdir()
    status = build_extension.main(["--out", str(tmp_path / "out"), "--wheels", str(tmp_path / "none")])
    assert status == 2
    assert capsys.readouterr().err.startswith("error E_WHEEL_FETCH: no pyzmq==")
    assert not list((tmp_path / "out").iterdir())


def test_unknown_platform_is_a_typed_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build_extension.main(["--out", str(tmp_path), "--platforms", "amiga"]) == 2
    assert capsys.readouterr().err.startswith("error E_PLATFORM: unknown platform 'amiga'; choose from linux-x64")


@pytest.mark.usefixtures("bpy_works")
def test_manifest_that_blender_refuses_is_a_typed_error(zips: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("blender_manifest.toml", 'schema_version = "1.0.0"\n')
    with pytest.raises(build_extension.BuildError, match="E_MANIFEST"):
        build_extension._validate(broken)


@pytest.mark.usefixtures("bpy_works")
def test_zip_installs_and_runs_on_its_own_wheels(zips: list[Path], tmp_path: Path) -> None:
    """Pip's own pyzmq would shadow the bundled one, so only what bpy itself requires is on the path."""
    packages = tmp_path / "packages"
    packages.mkdir()
    site = Path(importlib.util.find_spec("bpy").origin).parents[1]
    for name in ("bpy", "numpy", "numpy.libs", "requests", "zstandard"):
        if (site / name).exists():
            (packages / name).symlink_to(site / name)
    outcome = subprocess.run(
        [sys.executable, "-S", str(ROOT / "tests" / "blender" / "inside" / "install_zip.py"), str(zips[0])],
        env={"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    *_, status, zmq_file, protocol_file = outcome.stdout.strip().splitlines()
    assert status == "No server"
    assert str(tmp_path / "home") in zmq_file
    assert str(tmp_path / "home") in protocol_file


@pytest.fixture(scope="module")
def repository(bpy_works: None, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build_extension.build_repository(folder, ("linux-x64",), wheels)
    return folder


def test_repository_lists_every_zip_with_its_versions_and_links_it(repository: Path) -> None:
    entries = json.loads((repository / "index.json").read_text())["data"]
    ranges = {(entry["blender_version_min"], entry.get("blender_version_max", "")) for entry in entries}
    assert ranges == {(target.blender_min, target.blender_max) for target in build_extension.TARGETS}
    page = (repository / "index.html").read_text()
    for entry in entries:
        assert (repository / entry["archive_url"]).stat().st_size == entry["archive_size"]
        assert f'href="{entry["archive_url"]}?repository=' in page
    assert "${" not in page, "a placeholder is left"


def test_blender_installs_from_the_repository(repository: Path, tmp_path: Path) -> None:
    script = ROOT / "tests" / "blender" / "inside" / "install_from_repository.py"
    outcome = subprocess.run(
        [BPY_PYTHON, str(script), (repository / "index.json").as_uri()],
        env=blender_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert outcome.stdout.endswith("No server\n")


def test_repository_without_blenders_tool_is_a_typed_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_extension, "_blender_tool", lambda: None)
    with pytest.raises(build_extension.BuildError, match="E_BLENDER_TOOL"):
        build_extension.build_repository(tmp_path, ("linux-x64",), None)
