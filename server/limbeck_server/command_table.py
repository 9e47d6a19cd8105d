# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The commands by name. A command's module is imported when it is asked for, so that help and others need not wait."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

COMMANDS: Mapping[str, tuple[str, str]] = {
    "generate": ("generate", "Make a 3D asset from PROMPT."),
    "plan": ("plan", "Say what memory and time 'limbeck generate' would need here, and how it would be made to fit."),
    "serve": ("serve", "Run the server; jobs are submitted by 'limbeck submit', by Blender, or by the Python client."),
    "worker": ("worker", "Run jobs of a server on another machine, which was started with --executor static."),
    "submit": ("jobs", "Queue a job on the running server and print its id."),
    "status": ("jobs", "Show the server and its jobs, newest first."),
    "watch": ("jobs", "Show a job's progress until it ends."),
    "cancel": ("job_control", "Cancel a job: at once if it waits, at the next step if it runs."),
    "pause": ("job_control", "Let a job write a checkpoint and free its device; 'limbeck resume' lets it go on."),
    "resume": ("job_control", "Put a paused job back in the queue."),
    "finish": ("job_control", "Stop a job here and keep what there is: its asset is made now."),
    "move": ("job_control", "Change when a waiting job is run."),
    "retry": (
        "job_control",
        "Submit a failed or cancelled job again and print the new job's id; it goes on from the newest checkpoint.",
    ),
    "fork": (
        "job_control",
        "Submit a job that goes on from a checkpoint of JOB with other settings, and print its id.",
    ),
    "checkpoints": (
        "steps",
        "Show the steps of a job that 'limbeck fork --step' goes on from and 'limbeck get --step' downloads.",
    ),
    "logs": ("top", "Print a job's log: its states, stages, warnings and errors with their times."),
    "get": (
        "jobs",
        "Download a finished job's asset, or the mesh of any job at a step that 'limbeck checkpoints' shows.",
    ),
    "top": ("top", "Show the server's workers and its queue, every second until Ctrl-C."),
    "estimate": ("steps", "Say what a job would take, by the finished jobs of this server and by its plan."),
    "recipes": ("recipes", "List the recipes, or show one."),
    "priors": ("priors", "List the embedded diffusion models, read their cards, draw samples."),
    "models": ("models", "Fetch published weights, such as Stable Diffusion, and check them."),
    "evaluate": (
        "evaluate",
        "Measure the assets of PROMPTS, a file with one prompt a line or one JSON object a line (.jsonl).",
    ),
    "lab": ("lab", "Put the papers' claims to the test where the truth is known: docs/lab.md."),
    "keys": ("keys", "Let clients and workers on other machines in, and take that back."),
    "config": (
        "config",
        "Look at the settings: defaults, then config.toml, then LIMBECK_* in the environment, then flags.",
    ),
    "doctor": ("doctor", "Check this installation and the server, for you and for bug reports."),
}
"""The module below ``commands`` and the line that help shows, which is the first of the command's own docstring."""


class TableGroup(click.Group):
    """A group of the commands of ``COMMANDS``, and of those that were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, sorted."""
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing its module."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            module, _ = COMMANDS[cmd_name]
            self.add_command(getattr(import_module(f"limbeck_server.commands.{module}"), cmd_name))
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._line(name).get_short_help_str(limit)) for name in names])

    def _line(self, name: str) -> click.Command:
        """Return a command that has but its help."""
        return self.commands.get(name) or click.Command(name, help=COMMANDS[name][1])
