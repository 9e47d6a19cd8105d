# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A virtual screen with a mouse, and the Blenders that run on it, seen from the test outside.

All programs run inside a root file system that shares this machine's network, processes and one folder. The screen is
its first program; whatever comes later joins its namespace.
"""

import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 1280, 900
BLENDER_TIMEOUT_S = float(os.environ.get("LIMBECK_GUI_TIMEOUT_S", "240"))
CALL_TIMEOUT_S = 60.0
VIEWPORT = "1050x788+0+28"
"""The crop of a picture that shows the viewport with its sidebar."""
SCROLLS = 8
"""How often the sidebar is scrolled in search of a button."""


class Desk:
    """A virtual screen inside a root file system; closing it ends whatever runs there."""

    def __init__(self, root: Path, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = environment | {"LIBGL_ALWAYS_SOFTWARE": "1", "XDG_RUNTIME_DIR": str(folder / "xdg")}
        (folder / "xdg").mkdir(mode=0o700, exist_ok=True)
        self._programs: list[subprocess.Popen[bytes]] = []
        self._screen = self._start_screen(root)

    def _start_screen(self, root: Path) -> "subprocess.Popen[bytes]":
        read_end, write_end = os.pipe()
        command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
        with (self.folder / "xvfb.log").open("wb") as log:
            process = subprocess.Popen(
                ["bash", str(HERE / "enter_root.sh"), str(root), str(self.folder), *command],
                env=self._environment,
                stdout=log,
                stderr=log,
                pass_fds=[write_end],
            )
        os.close(write_end)
        with os.fdopen(
            read_end
        ) as pipe:  # Xvfb writes its display's number once it can be used, and keeps the pipe open
            number = pipe.readline().strip()
        assert number, f"no virtual screen: {(self.folder / 'xvfb.log').read_text()[-2000:]}"
        self._environment["DISPLAY"] = f":{number}"
        return process

    def start(self, *command: str, log: str = "programs.log", **environment: str) -> "subprocess.Popen[bytes]":
        """Start a program on the screen."""
        inside = ["nsenter", f"--target={self._screen.pid}", "--mount", "--root", "--wd", "--", *command]
        with (self.folder / log).open("ab") as file:
            program = subprocess.Popen(inside, env=self._environment | environment, stdout=file, stderr=file)
        self._programs.append(program)
        return program

    def run(self, *command: str, timeout_s: float = 60.0, **environment: str) -> None:
        """Run a program to its end, which must be a good one."""
        status = self.start(*command, **environment).wait(timeout=timeout_s)
        log = (self.folder / "programs.log").read_text(errors="replace")
        assert status == 0, f"{' '.join(command)} ended with {status}: {log[-3000:]}"

    def picture(self, name: str, crop: str = "", *, is_for_docs: bool = False) -> Path:
        """Take a picture of the screen; `crop` is ImageMagick's WIDTHxHEIGHT+X+Y.

        LIMBECK_GUI_PICTURES names the folder where those for the documentation are kept.
        """
        file = self.folder / f"{name}.png"
        area = ["-crop", crop, "+repage"] if crop else []
        self.run("import", "-window", "root", *area, "-quality", "95", str(file))
        pictures = os.environ.get("LIMBECK_GUI_PICTURES")
        if pictures and is_for_docs:
            shutil.copy(file, Path(pictures) / file.name)
        return file

    def click(self, x: int, y: int) -> None:
        """Press and release the left mouse button the way a hand does, with a move just before."""
        self.run(
            "xdotool", "mousemove", str(x - 2), str(y), "sleep", "0.3", "mousemove_relative", "2", "1", "sleep", "0.4"
        )
        self.run("xdotool", "mousedown", "1", "sleep", "0.2", "mouseup", "1", "sleep", "0.3", "mousemove", "300", "800")

    def scroll(self, x: int, y: int, clicks: int) -> None:
        """Turn the mouse wheel down over a point."""
        self.run("xdotool", "mousemove", str(x), str(y), "sleep", "0.2")
        self.run("xdotool", "click", "--repeat", str(clicks), "--delay", "60", "5")

    def key(self, keys: str) -> None:
        """Press keys over the middle of the screen."""
        self.run("xdotool", "mousemove", "300", "500", "sleep", "0.2", "mousemove_relative", "1", "1", "sleep", "0.2")
        self.run("xdotool", "key", keys)

    def close(self) -> None:
        for program in [*self._programs, self._screen]:
            if program.poll() is None:
                program.kill()
            program.wait()


class Blender:
    """A windowed Blender on a desk, with the extension installed in a home of its own."""

    _names = itertools.count()

    def __init__(self, desk: Desk, home: Path, *options: str) -> None:
        self.desk, self.home = desk, home
        self._name = str(next(self._names))
        self.log = desk.folder / f"blender-{self._name}.log"
        self._calls = desk.folder / f"calls-{self._name}"
        self._calls.mkdir()
        self._numbers = itertools.count()
        stages = desk.folder / "stages"
        shutil.copytree(HERE / "stages", stages, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        geometry = ["--window-geometry", "0", "0", str(WIDTH), str(HEIGHT)]
        self.process = desk.start(
            *("blender", *geometry, "--python-exit-code", "71", *options, "--python", str(stages / "driver.py")),
            log=self.log.name,
            **home_variables(home),
            LIMBECK_GUI_FOLDER=str(desk.folder),
            LIMBECK_GUI_BLENDER=self._name,
            LIMBECK_GUI_TIMEOUT_S=str(BLENDER_TIMEOUT_S),
        )

    def call(self, name: str, /, timeout_s: float = CALL_TIMEOUT_S, **arguments: Any) -> Any:
        """Call a function of stages/ by MODULE.FUNCTION inside Blender and return what it returns."""
        number = next(self._numbers)
        part, answer = self._calls / f"{number}.part", self._calls / f"{number}.answer"
        part.write_text(json.dumps({"name": name, "arguments": arguments}))
        part.rename(self._calls / f"{number}.call")
        deadline = time.monotonic() + timeout_s
        while not answer.exists():
            assert self.process.poll() is None, (
                f"Blender ended with {self.process.returncode} during {name}: {self.tail}"
            )
            assert time.monotonic() < deadline, f"no answer to {name} within {timeout_s} s: {self.tail}"
            time.sleep(0.02)
        outcome = json.loads(answer.read_text())
        assert "error" not in outcome, f"{name}: {outcome['error']}"
        return outcome["value"]

    def until(self, name: str, /, timeout_s: float = CALL_TIMEOUT_S, **arguments: Any) -> Any:
        """Call a function until it returns something true; return that."""
        deadline = time.monotonic() + timeout_s
        while not (value := self.call(name, **arguments)):
            assert time.monotonic() < deadline, f"{name} was not so within {timeout_s} s: {self.call('job.state')}"
            time.sleep(0.05)
        return value

    def watch(self, is_so: Any, timeout_s: float = CALL_TIMEOUT_S) -> dict[str, Any]:
        """Ask for the state until a claim about it holds; return that state."""
        deadline = time.monotonic() + timeout_s
        while not is_so(state := self.call("job.state")):
            assert time.monotonic() < deadline, f"within {timeout_s} s no more than {state}"
            time.sleep(0.05)
        return state

    def press(self, what: str, column: str = "middle") -> None:
        """Click on the button of the sidebar whose command or data path holds a text, wherever it is in a column."""
        self.desk.click(*self.find(what, column))

    def find(self, what: str, column: str = "middle") -> tuple[int, int]:
        """Return where a button is on the screen; scroll the sidebar down to it."""
        self.call("screen.scroll_to_top")
        for _ in range(SCROLLS):
            found = self.call("screen.find_button", what=what, column=column)
            if found is not None:
                return tuple(found)
            self.desk.scroll(*self.call("screen.sidebar_middle"), 6)
        raise AssertionError(f"the sidebar has no button for {what}; see {self.desk.picture('no-button')}")

    def picture(self, name: str, crop: str = "", *, is_for_docs: bool = False) -> Path:
        """Take a picture of the screen once Blender has come to rest."""
        self.call("screen.pause", seconds=1.5)
        return self.desk.picture(name, crop, is_for_docs=is_for_docs)

    def quit(self) -> None:
        """Close Blender as a user does; it must neither hang nor crash."""
        number = next(self._numbers)
        (self._calls / f"{number}.call").write_text(json.dumps({"name": "screen.quit_blender", "arguments": {}}))
        assert self.process.wait(timeout=30) == 0, self.tail

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


def home_variables(home: Path) -> dict[str, str]:
    """Return the variables that keep all of a Blender's files in a home."""
    folders = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
    return {"HOME": str(home)} | folders
