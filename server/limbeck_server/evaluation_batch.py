# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a batch of ``limbeck evaluate`` is. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from limbeck.evaluation.prompt_files import Item
from limbeck.evaluation.protocol import Protocol
from limbeck_protocol.job import JobSpec
from limbeck_server.commands.job_options import choose_format


@dataclass(frozen=True)
class Batch:
    """What to do.

    Attributes:
        items: prompts and assets.
        protocol: how they are measured.
        job: how assets are made that are missing, but for the prompt; None: none is.
    """

    items: Sequence[Item]
    protocol: Protocol
    job: JobSpec | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that the judge has to read, each once."""
        candidates = self.protocol.candidates if "r_precision" in self.protocol.measures else ()
        return tuple(dict.fromkeys((*(item.prompt for item in self.items), *candidates)))


def job_of(item: Item, job: JobSpec) -> JobSpec:
    """Return how an item's asset is made: as the batch says, unless its own line says otherwise.

    Raises:
        JobError: E_FORMAT if the asset is to be a file that cannot be written, E_SCHEMA and its kin.
    """
    own = item.making
    given = {name: own[name] for name in ("recipe", "steps", "seed") if name in own}
    return replace(
        job,
        prompt=item.prompt,
        negative_prompt=own.get("negative", job.negative_prompt),
        overrides={**job.overrides, **own.get("set", {})},
        format=choose_format(None, item.asset),
        **given,
    )
