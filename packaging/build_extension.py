# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Build the Blender extension: one zip for Blender 4.2 to 5.0, one for 5.1 and later.

Two, because Blender refuses a zip that holds wheels for one Python version beside wheels for the stable ABI.

    python packaging/build_extension.py --out dist
    python packaging/build_extension.py --repository site

The second makes a folder that any web server can offer to Blender as an extension repository.
"""

import argparse
import base64
import hashlib
import importlib.util
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ADDON = ROOT / "blender_addon"
PROTOCOL = ROOT / "server" / "limbeck_protocol"
LICENSE = ROOT / "LICENSES" / "GPL-3.0-or-later.txt"
PAGE_TEMPLATE = ROOT / "packaging" / "repository.html"
PYZMQ = "pyzmq==27.3.0"
ZIP_TIME = (2020, 1, 1, 0, 0, 0)
# Blender's name of a platform, and the wheel tags that run on the oldest system that Blender itself runs on.
PLATFORM_TAGS = {
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_26_x86_64", "manylinux2014_x86_64"),
    "macos-arm64": ("macosx_11_0_universal2", "macosx_11_0_arm64"),
    "macos-x64": ("macosx_11_0_universal2", "macosx_11_0_x86_64"),
    "windows-x64": ("win_amd64",),
    "windows-arm64": ("win_arm64",),
}


@dataclass(eq=False)  # an exception must be hashable, and take a traceback
class BuildError(Exception):
    """A build that cannot go on: a code for scripts, what is wrong, and what to do."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Target:
    """One zip: a half-open range of Blender versions and the Python whose wheels pip picks for it."""

    blender_min: str
    blender_max: str
    python: str


TARGETS = (Target("4.2.0", "5.1.0", "3.11"), Target("5.1.0", "", "3.13"))


def build(
    out: Path, platforms: tuple[str, ...], wheels: Path | None, targets: tuple[Target, ...] = TARGETS
) -> list[Path]:
    """Write the extension's zips into a folder and return them.

    Args:
        out: a folder, made where it is missing.
        platforms: Blender's names of the platforms whose pyzmq wheels go in.
        wheels: a folder that has the pyzmq wheels, or None to fetch them with pip.
        targets: the zips to write.

    Raises:
        BuildError: if a wheel cannot be had or Blender's own validator refuses a zip.
    """
    out.mkdir(parents=True, exist_ok=True)
    zips = [_build_target(target, out, platforms, wheels) for target in targets]
    for path in zips:
        _validate(path)
    return zips


def build_repository(
    site: Path, platforms: tuple[str, ...], wheels: Path | None, targets: tuple[Target, ...] = TARGETS
) -> list[Path]:
    """Write a static extension repository: the zips, the index.json that Blender reads, a page for people.

    Zips of older versions in the folder stay, and are listed too.

    Returns:
        The new zips and the two files.

    Raises:
        BuildError: as `build`, or if Blender's own tool is missing or makes no index.
    """
    _require_blender_tool()
    return [*build(site, platforms, wheels, targets), *write_index(site)]


def write_index(site: Path) -> list[Path]:
    """List the zips of a folder in its index.json and index.html, and return these two.

    Raises:
        BuildError: if Blender's own tool is missing or makes no index.
    """
    command = [sys.executable, str(_require_blender_tool()), "server-generate", "--repo-dir", str(site)]
    command += ["--html", "--html-template", str(PAGE_TEMPLATE)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    files = [site / "index.json", site / "index.html"]
    if outcome.returncode or not all(file.is_file() for file in files):
        reason = (outcome.stdout + outcome.stderr).strip()
        raise BuildError("E_REPOSITORY", f"Blender lists no repository in {site}: {reason}", "empty the folder")
    return files


def limbeck_version() -> str:
    """Read `limbeck.__version__` without importing the package."""
    source = (ROOT / "core" / "limbeck" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', source, re.MULTILINE)
    if found is None:
        raise BuildError("E_VERSION", "core/limbeck/__init__.py states no __version__", "restore the line")
    return found[1]


def build_protocol_wheel(folder: Path) -> Path:
    """Write the wheel of `limbeck_protocol` alone, which needs no torch, for the extension to bundle."""
    version = limbeck_version()
    meta = f"limbeck_protocol-{version}.dist-info"
    sources = sorted(path for path in PROTOCOL.rglob("*") if path.name == "py.typed" or path.suffix == ".py")
    contents = {f"limbeck_protocol/{path.relative_to(PROTOCOL).as_posix()}": path.read_bytes() for path in sources}
    contents[f"{meta}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: limbeck-protocol\nVersion: {version}\nSummary: The wire of Limbeck\n"
        "License: Apache-2.0\nRequires-Python: >=3.11\nRequires-Dist: numpy\nRequires-Dist: pyzmq\n"
    ).encode()
    contents[f"{meta}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: limbeck\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = [f"{name},sha256={_record_hash(data)},{len(data)}" for name, data in contents.items()]
    contents[f"{meta}/RECORD"] = "\n".join([*record, f"{meta}/RECORD,,", ""]).encode()
    wheel = folder / f"limbeck_protocol-{version}-py3-none-any.whl"
    _write_zip(wheel, contents)
    return wheel


def fetch_pyzmq(platform: str, python: str, folder: Path, wheels: Path | None) -> None:
    """Let pip put the pyzmq wheel for a platform and a Python version into a folder.

    Of a folder of wheels, pip is asked about each until it says that one fits.

    Raises:
        BuildError: if pip finds none.
    """
    tags = [argument for tag in PLATFORM_TAGS[platform] for argument in ("--platform", tag)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python, *tags]
    wanted = sorted(map(str, wheels.glob(f"{PYZMQ.replace('==', '-')}-*.whl"))) if wheels else [PYZMQ]
    reason = f"{wheels} holds no wheel of it" if wheels else ""
    for source in wanted:
        outcome = subprocess.run([*command, "--dest", str(folder), source], capture_output=True, text=True, check=False)
        if not outcome.returncode:
            return
        reason = (outcome.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
    raise BuildError(
        "E_WHEEL_FETCH",
        f"no {PYZMQ} wheel for {platform}, Python {python}: {reason}",
        "check the network, give a folder of wheels with --wheels, or leave the platform out with --platforms",
    )


def manifest_text(template: str, target: Target, platforms: tuple[str, ...], wheels: list[str]) -> str:
    """Return the manifest of one zip: the template with its versions, platforms and wheels."""
    manifest = tomllib.loads(template) | {"blender_version_min": target.blender_min}
    if target.blender_max:
        manifest["blender_version_max"] = target.blender_max
    manifest |= {"platforms": list(platforms), "wheels": [f"./wheels/{name}" for name in wheels]}
    tables = {name: value for name, value in manifest.items() if isinstance(value, dict)}
    lines = [f"{name} = {_toml(value)}" for name, value in manifest.items() if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join([*lines, ""])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description="Build the zips of Limbeck's Blender extension.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="DIR", help="where the zips go")
    where.add_argument("--repository", type=Path, metavar="DIR", help="make an extension repository there")
    parser.add_argument(
        "--wheels", type=Path, metavar="DIR", help="take the pyzmq wheels from here, not from the network"
    )
    parser.add_argument("--platforms", default=",".join(PLATFORM_TAGS), help="a comma list, default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        make = build if options.out else build_repository
        files = make(options.out or options.repository, _parse_platforms(options.platforms), options.wheels)
    except BuildError as error:
        print(f"error {error.code}: {error.message}; {error.remedy}", file=sys.stderr)
        return 2
    for path in files:
        print(f"{path}  {path.stat().st_size / 1e6:.2f} MB")
    return 0


def _parse_platforms(names: str) -> tuple[str, ...]:
    platforms = tuple(name.strip() for name in names.split(","))
    unknown = [name for name in platforms if name not in PLATFORM_TAGS]
    if unknown:
        message = f"unknown platform {unknown[0]!r}"
        raise BuildError("E_PLATFORM", message, f"choose from {', '.join(PLATFORM_TAGS)}")
    return platforms


def _build_target(target: Target, out: Path, platforms: tuple[str, ...], wheels: Path | None) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        build_protocol_wheel(Path(folder))
        for platform in platforms:
            fetch_pyzmq(platform, target.python, Path(folder), wheels)
        found = sorted(Path(folder).glob("*.whl"))
        template = (ADDON / "blender_manifest.toml").read_text(encoding="utf-8")
        manifest = manifest_text(template, target, platforms, [path.name for path in found])
        contents = {"blender_manifest.toml": manifest.encode(), "LICENSE": LICENSE.read_bytes()}
        sources = sorted(path for path in ADDON.rglob("*") if path.suffix in (".py", ".json"))
        contents |= {path.relative_to(ADDON).as_posix(): path.read_bytes() for path in sources}
        contents |= {f"wheels/{path.name}": path.read_bytes() for path in found}
    archive = out / f"limbeck-{limbeck_version()}-blender-{target.blender_min.removesuffix('.0')}.zip"
    _write_zip(archive, contents)
    return archive


def _validate(archive: Path) -> None:
    """Run Blender's own validator where the bpy package is installed."""
    tool = _blender_tool()
    if tool is None:
        print(
            f"{archive.name} is not validated: Blender's validator comes with `python -m pip install bpy`",
            file=sys.stderr,
        )
        return
    command = [sys.executable, str(tool), "validate", str(archive)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode:
        reason = (outcome.stdout + outcome.stderr).strip()
        raise BuildError("E_MANIFEST", f"Blender refuses {archive.name}: {reason}", "correct blender_manifest.toml")


def _blender_tool() -> Path | None:
    """Return Blender's program for extensions, which needs no Blender but comes with the bpy package, or None."""
    spec = importlib.util.find_spec("bpy")
    if spec is None:
        return None
    return next(Path(spec.origin or "").parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"), None)


def _require_blender_tool() -> Path:
    tool = _blender_tool()
    if tool is None:
        raise BuildError("E_BLENDER_TOOL", "no bpy package, whose tool makes the index", "python -m pip install bpy")
    return tool


def _write_zip(path: Path, contents: dict[str, bytes]) -> None:
    """Write a zip whose bytes depend on the contents alone."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, data)


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _toml(value: object) -> str:
    """Return a TOML value; the manifest has strings and lists of strings only."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    raise BuildError(
        "E_MANIFEST", f"the manifest holds {value!r}, expected strings and lists", "correct blender_manifest.toml"
    )


if __name__ == "__main__":
    sys.exit(main())
