# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck serve`` that writes down every path it touches outside of its own folders, from the first client on."""

import os
import sys
from pathlib import Path

EVENTS = {"open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink"}
EVENTS |= {"os.chmod", "os.truncate", "os.utime", "shutil.rmtree", "shutil.move", "shutil.copyfile", "sqlite3.connect"}


def install(root: Path, report: int) -> None:
    """Watch this process; nothing can take the hook away again."""
    allowed = [os.path.realpath(folder) for folder in (root, sys.prefix, sys.base_prefix, Path(__file__).parents[2])]
    allowed += ["/proc", "/dev/null", "/dev/urandom", "/sys"]

    def note(event: str, arguments: tuple) -> None:
        if event not in EVENTS:
            return
        for path in arguments[: 1 if event == "open" else 2]:
            if isinstance(path, str | bytes | os.PathLike):
                where = os.path.realpath(os.fsdecode(path))
                if not any(where == folder or where.startswith(folder + os.sep) for folder in allowed):
                    os.write(report, f"{event} {where!r}\n".encode())

    sys.addaudithook(note)


def main() -> None:
    """Serve; the first two arguments are the folder that may be touched and the report's file."""
    from limbeck_server.commands.serve import serve

    root, report, *arguments = sys.argv[1:]
    install(Path(root), os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    serve(arguments)


if __name__ == "__main__":
    main()
