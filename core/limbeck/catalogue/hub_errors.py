# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the hub's library raises, as errors with a remedy."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import errors

from limbeck.errors import LimbeckError

HTTP_ERROR: type[Exception] = errors.HfHubHTTPError.__mro__[1]
"""What the hub's client raises where no answer came; which client that is depends on the hub's version."""

PASSED_OVER = ("E_MODEL_GATED", "E_MODEL_GONE", "E_MODEL_UNSAFE", "E_MODEL_INCOMPLETE")
"""After these the next mirror is asked."""


@contextmanager
def reported(name: str, repo: str = "") -> Iterator[None]:
    """Turn what the hub's library raises into one error with a remedy.

    Args:
        name: the model, for messages.
        repo: where it is asked for, for messages.

    Raises:
        LimbeckError: E_MODEL_GATED, E_MODEL_GONE, E_OFFLINE, E_NETWORK, E_DISK_FULL.
    """
    where = f"{name} ({repo})" if repo else name
    try:
        yield
    except errors.GatedRepoError as error:  # a RepositoryNotFoundError too, therefore first
        message = f"{where} must be asked for on its page before it can be downloaded"
        remedy = "accept its licence on the model's page, then log in: hf auth login (or set HF_TOKEN)"
        raise LimbeckError("E_MODEL_GATED", message, remedy) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
        message = f"{where} is not there any more, or is private"
        remedy = "look for a mirror and give its id or a folder as --prior"
        raise LimbeckError("E_MODEL_GONE", message, remedy) from error
    except errors.OfflineModeIsEnabled as error:
        message = f"{where} is not on this machine and HF_HUB_OFFLINE forbids to fetch it"
        remedy = "unset HF_HUB_OFFLINE, or copy the hub's cache from another machine"
        raise LimbeckError("E_OFFLINE", message, remedy) from error
    except OSError as error:
        raise _of_system(where, error) from error
    except HTTP_ERROR as error:
        raise _network(where, error) from error


def _of_system(where: str, error: OSError) -> LimbeckError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "free some space, or set HF_HOME to a folder on a larger disk; then pull again: it goes on"
        return LimbeckError("E_DISK_FULL", f"the disk is full while {where} is fetched", remedy)
    if isinstance(error, PermissionError):
        remedy = "check the folder's permissions, or set HF_HOME to another one"
        return LimbeckError("E_OUTPUT_UNWRITABLE", f"the hub's cache cannot be written: {error}", remedy)
    return _network(where, error)


def _network(where: str, error: Exception) -> LimbeckError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    remedy = "check the network (HTTPS_PROXY, HF_ENDPOINT for a mirror of the hub), then pull again: it goes on"
    return LimbeckError("E_NETWORK", f"{where} could not be fetched: {reason}", remedy)
