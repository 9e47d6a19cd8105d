# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Check what is handed to a rasteriser, whatever the backend."""

from typing import Literal, get_args

from torch import Tensor

RenderMode = Literal["RGB", "D", "ED", "RGB+D", "RGB+ED"]


def check_inputs(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    backgrounds: Tensor | None,
    render_mode: str,
) -> None:
    """Raise ValueError, naming what was expected and what came, if shapes, types or devices do not fit together."""
    points, cameras = len(means), len(viewmats)
    _check_shape("means", means, (points, 3))
    _check_shape("quats", quats, (points, 4))
    _check_shape("scales", scales, (points, 3))
    _check_shape("opacities", opacities, (points,))
    _check_shape("viewmats", viewmats, (cameras, 4, 4))
    _check_shape("Ks", Ks, (cameras, 3, 3))
    if colors.shape[:-1] not in {(points,), (cameras, points)} or colors.shape[-1] == 0:
        raise ValueError(f"expected colors [{points}, D] or [{cameras}, {points}, D], got {list(colors.shape)}")
    if backgrounds is not None:
        _check_shape("backgrounds", backgrounds, (cameras, colors.shape[-1]))
    if width < 1 or height < 1:
        raise ValueError(f"expected an image of at least 1 x 1 pixels, got width {width}, height {height}")
    if render_mode not in get_args(RenderMode):
        raise ValueError(f"expected render_mode to be one of {', '.join(get_args(RenderMode))}, got {render_mode!r}")
    _check_kind(means, quats, scales, opacities, colors, viewmats, Ks, *([] if backgrounds is None else [backgrounds]))


def _check_shape(name: str, tensor: Tensor, expected: tuple[int, ...]) -> None:
    if tensor.shape != expected:
        raise ValueError(f"expected {name} {list(expected)}, got {list(tensor.shape)}")


def _check_kind(*tensors: Tensor) -> None:
    devices = {str(tensor.device) for tensor in tensors}
    if len(devices) > 1:
        raise ValueError(f"expected all tensors on one device, got {', '.join(sorted(devices))}")
    for tensor in tensors:
        if not tensor.is_floating_point():
            raise ValueError(f"expected floating-point tensors, got {tensor.dtype}")
