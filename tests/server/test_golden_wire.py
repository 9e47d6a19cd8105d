# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The bytes of wire version 1, which no release may change: python tests/golden/make_wire.py wrote them."""

import re
from pathlib import Path

import pytest

import limbeck
import limbeck_protocol
import limbeck_server
from golden.make_wire import EXAMPLES, FOLDER, encode, split
from limbeck_protocol.envelope import CLIENT_MESSAGES, SERVER_MESSAGES, TYPE_NAMES, read_message
from limbeck_protocol.frames import decode_packet


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.bin")), ids=lambda path: path.stem)
def test_recorded_messages_are_still_understood(path: Path) -> None:
    packet = decode_packet(split(path.read_bytes()))
    message, arrays = EXAMPLES[path.stem]
    assert read_message(packet, CLIENT_MESSAGES | SERVER_MESSAGES) == message
    assert {name: array.tobytes() for name, array in packet.arrays.items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_messages_are_written_as_they_were_recorded(name: str) -> None:
    assert encode(name) == (FOLDER / f"{name}.bin").read_bytes()


def test_every_message_type_is_recorded() -> None:
    assert {type(message) for message, _ in EXAMPLES.values()} == {*CLIENT_MESSAGES.values(), *SERVER_MESSAGES.values()}


def test_every_error_code_and_message_type_is_documented() -> None:
    document = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    packages = (limbeck, limbeck_protocol, limbeck_server)
    sources = [path for package in packages for path in Path(package.__file__).parent.rglob("*.py")]
    codes = {code for path in sources for code in re.findall(r'"(E_[A-Z_]+)"', path.read_text(encoding="utf-8"))}
    assert {code for code in codes if f"`{code}`" not in document} == set()
    assert {name for name in TYPE_NAMES.values() if f"`{name}`" not in document} == set()
