# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The ``limbeck`` command: parses, calls one function, and turns every failure into one line or one JSON object."""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TextIO

import click

from limbeck import __version__
from limbeck_server.command_table import TableGroup
from limbeck_server.exit_status import BAD_INPUT, INTERRUPTED, exit_status
from limbeck_server.failures import FailedJobError, Failure, failure_of, keep_traceback
from limbeck_server.interruptions import interruptions_repeated

MAX_MESSAGE_CHARACTERS = 2000


@click.group(cls=TableGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="limbeck")
def limbeck() -> None:
    """Text to 3D by score distillation."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    failure: Failure | None = None


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the status that docs/commands.md gives it."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    show_any_text(sys.stdout)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    with interruptions_repeated():
        outcome = _run(arguments or ["--help"])
    if outcome.failure is not None:
        options = arguments[: arguments.index("--")] if "--" in arguments else arguments
        _report(outcome.failure, as_json="--json" in options)
    sys.exit(outcome.status)


def show_any_text(stream: TextIO) -> None:
    """Let a stream print what its encoding cannot say, such as a file's name that is no UTF-8, as an escape."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _run(arguments: list[str]) -> Outcome:
    try:
        status = limbeck.main(arguments, prog_name="limbeck", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        return Outcome(INTERRUPTED, Failure("E_CANCELLED", "interrupted", "run the command again to start over"))
    except BrokenPipeError:
        sys.stderr.close()
        return Outcome(1)
    except click.UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError" and error.ctx is not None:  # click's since 8.2
            click.echo(error.ctx.get_help(), err=True)
            return Outcome(BAD_INPUT)
        return _failed(error)
    except Exception as error:  # noqa: BLE001 - the boundary: the user gets a line, the log gets the traceback
        return _failed(error)
    return Outcome(status if isinstance(status, int) else 0)


def _failed(error: Exception) -> Outcome:
    failure = failure_of(error)
    if failure.code == "E_INTERNAL" and not failure.is_typed:
        failure = replace(failure, remedy=keep_traceback(error))
    return Outcome(exit_status(failure.code, is_failed_job=isinstance(error, FailedJobError)), failure)


def _report(failure: Failure, *, as_json: bool) -> None:
    failure = replace(failure, message=_shortened(failure.message))
    with suppress(OSError):  # where nothing can be written, the exit status has to say it
        if as_json:
            fields = {"code": failure.code, "message": failure.message, "remedy": failure.remedy}
            fields |= {"trace_id": failure.trace_id} if failure.trace_id else {}
            print(json.dumps({"error": fields}), flush=True)
        else:
            trace = f" (trace {failure.trace_id})" if failure.trace_id else ""
            line = f"error {failure.code}: {failure.message}; {failure.remedy}{trace}"
            print(" ".join(line.split()), file=sys.stderr, flush=True)


def _shortened(text: str) -> str:
    """Return a message that may quote what the user typed, without the middle of a very long one."""
    half = MAX_MESSAGE_CHARACTERS // 2
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else f"{text[:half]} ... {text[-half:]}"


if __name__ == "__main__":
    main()
