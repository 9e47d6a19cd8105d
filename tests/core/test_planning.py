# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a run will need: against PyTorch's own counters on real configurations, and what is chosen then."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from limbeck.config import override
from limbeck.errors import LimbeckError
from limbeck.models import Spoken, load_cast
from limbeck.optimisation.loop import Scene, run_step
from limbeck.optimisation.state import initial_state
from limbeck.planning.architectures import encoder_cost, unet_cost
from limbeck.planning.choose import MARGIN, choose, options_of
from limbeck.planning.demand import uses_at
from limbeck.planning.machine import plan_run, read_models
from limbeck.planning.predict import Compute, Job, predict
from limbeck.planning.profiles import Profile, profiles, shrunk_size
from limbeck.planning.room import Room, container_room_bytes
from limbeck.planning.weights import count_elements, read_model
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.randomness import seeded_generators
from limbeck.recipes import load_recipe
from tiny_models import CPU, write_text_to_image

SD2 = {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
SD15 = {"cross_attention_dim": 768, "attention_head_dim": 8}
SDXL = {
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 2048,
    "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10],
    "use_linear_projection": True,
}
IF = {
    "in_channels": 3,
    "out_channels": 6,
    "block_out_channels": [704, 1408, 2112, 2816],
    "layers_per_block": 3,
    "attention_head_dim": 64,
    "cross_attention_dim": 2816,
    "down_block_types": ["ResnetDownsampleBlock2D", *["SimpleCrossAttnDownBlock2D"] * 3],
    "up_block_types": [*["SimpleCrossAttnUpBlock2D"] * 3, "ResnetUpsampleBlock2D"],
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "resnet_time_scale_shift": "scale_shift",
}
VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
ON_CPU = Compute("cpu", 1e11)
ON_GPU = Compute("cuda", 4e14)


@pytest.mark.parametrize("config", [SD15, SD2, SDXL, IF], ids=["sd-1.5", "sd-2.1", "sdxl", "if"])
def test_operations_of_a_unet_are_those_that_pytorch_counts(config: dict[str, Any]) -> None:
    side, channels = 32, config.get("in_channels", 4)
    with torch.device("meta"), torch.no_grad():
        unet = UNet2DConditionModel(sample_size=side, **config)
        given = (
            torch.zeros(1, channels, side, side),
            torch.zeros(1),
            torch.zeros(1, 77, config["cross_attention_dim"]),
        )
        with FlopCounterMode(display=False) as counter:
            unet(*given)
    assert unet_cost(config, side).flops == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_encoder_costs_what_pytorch_counts_and_autograd_keeps() -> None:
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes() // tensor.element_size()
        return tensor

    with torch.device("meta"):
        vae = AutoencoderKL(**VAE).requires_grad_(False)
        image = torch.zeros(1, 3, 256, 256, requires_grad=True)
        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with FlopCounterMode(display=False) as counter, hooks:
            answer = vae.encode(image).latent_dist.mean
    assert answer.requires_grad
    weights = {parameter.untyped_storage()._cdata for parameter in vae.parameters()}
    activations = sum(size for storage, size in kept.items() if storage not in weights)
    cost = encoder_cost(VAE, 256)
    assert cost.flops == pytest.approx(counter.get_total_flops(), rel=0.01)
    assert cost.kept == pytest.approx(activations, rel=0.05)


def test_weights_are_counted_by_headers_alone(tmp_path: Path) -> None:
    folder = write_text_to_image(tmp_path)
    model = read_model(str(folder), "text_to_image", 200_000_000)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    assert model.unet_elements == sum(parameter.numel() for parameter in unet.parameters())
    assert [part.name for part in model.parts] == ["unet", "vae", "text_encoder"]
    assert (model.side, model.image_size, model.is_large) == (8, 64, False)
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    content = path.read_bytes()
    header = int.from_bytes(content[:8], "little")
    path.write_bytes(content[: 8 + header])  # no weight is left to be read
    assert read_model(str(folder), "text_to_image", 200_000_000).unet_elements == model.unet_elements


@pytest.mark.parametrize("content", [b"", b"\xff" * 16, b"\x02\0\0\0\0\0\0\0[]", b"\x08\0\0\0\0\0\0\0{"])
def test_damaged_header_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(LimbeckError, match="E_MODEL_INCOMPLETE"):
        count_elements(path)


def test_weights_in_both_precisions_count_once(tmp_path: Path) -> None:
    folder = write_text_to_image(tmp_path)
    before = read_model(str(folder), "text_to_image", 0).unet_elements
    save_file({"extra": torch.zeros(7)}, folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    assert read_model(str(folder), "text_to_image", 0).unet_elements == before


@pytest.mark.parametrize(
    "name", ["dreamfusion", "csd", "scaledreamer", "modedreamer", "mvdream", "luciddreamer", "jointdreamer"]
)
def test_recipe_asks_what_its_step_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batches that reach the UNets in a step are those that were foretold."""
    asked: list[int] = []
    answer = DiffusionPrior._eps

    def count(self: DiffusionPrior, xt: torch.Tensor, *rest: Any) -> torch.Tensor:
        asked.append(len(xt))
        return answer(self, xt, *rest)

    recipe = load_recipe(name)
    cast = load_cast(recipe, "embedded", Spoken("a blue penguin"), seeded_generators(0)["image"], CPU)
    monkeypatch.setattr(DiffusionPrior, "_eps", count)
    state = initial_state(recipe, 0, CPU, cast.speakers)
    run_step(state, recipe, Scene(recipe.rig, cast.speakers, None, CPU, cast.critics, cast.picture))
    uses = [use for use in uses_at(recipe, 0.0, has_negative=False) if use.role != "pair_classifier"]
    assert max(asked) == max(use.batch for use in uses)
    foretold = sum(use.samples for use in uses)
    slack = 0.6 * foretold if name == "luciddreamer" else 0  # its path is as long as the timesteps that were drawn
    assert abs(sum(asked) - foretold) <= slack


def test_profiles_go_from_the_fastest_to_the_smallest() -> None:
    assert [profile.told() for profile in profiles(4, "cpu", 512, trains=False)] == [
        "everything at once",
        "2 views at a time",
        "1 view at a time",
        "1 view at a time, images of 1/2 the size",
    ]
    on_gpu = profiles(1, "cuda", 1024, trains=False)
    assert [profile.unets_wait for profile in on_gpu] == [False, False, True, True, True]
    assert on_gpu[-1].shrink == 4
    assert not any(profile.unets_wait for profile in profiles(4, "cuda", 512, trains=True))
    assert profiles(4, "cpu", 64, trains=False)[-1].shrink == 1, "toys are small enough"


def test_only_large_images_shrink() -> None:
    assert [shrunk_size(size, 2) for size in (64, 256, 512, 768, 1024)] == [64, 256, 256, 384, 512]
    assert [shrunk_size(size, 4) for size in (512, 1024)] == [256, 256]


def real_job(recipe: str = "dreamfusion", **settings: Any) -> Job:
    """Stable Diffusion 2.1-base by its configuration, with the embedded models' other parts."""
    found = override(load_recipe(recipe), settings)
    model = read_models(found, "embedded")["text_to_image"]
    fields = {"unet": SD2, "vae": {"_class_name": "AutoencoderKL", **VAE}, "side": 64, "pixels_per_latent": 8}
    part = type(model.parts[0])("unet", 866_000_000, 1_732_000_000)
    return Job(found, {"text_to_image": type(model)(parts=(part,), controlnet={}, is_large=True, **fields)})


@pytest.mark.parametrize("compute", [ON_CPU, ON_GPU], ids=["cpu", "cuda"])
def test_each_profile_needs_less_than_the_one_before(compute: Compute) -> None:
    options = options_of(real_job(), compute)
    needs = [option.prediction.device_mb or option.prediction.host_mb for option in options]
    assert all(after <= before for before, after in pairwise(needs))
    assert needs[-1] < 0.5 * needs[0]


def test_views_in_parts_take_time_and_no_memory_for_more_views() -> None:
    one = [predict(real_job(views=views), Profile(1), ON_CPU) for views in (4, 8)]
    assert one[0].host_mb == pytest.approx(one[1].host_mb, rel=0.05)
    assert predict(real_job(), Profile(1), ON_CPU).seconds > predict(real_job(), Profile(), ON_CPU).seconds


def test_trained_copy_costs_a_second_unet() -> None:
    plain, trained = (predict(real_job(name), Profile(), ON_GPU) for name in ("dreamfusion", "prolificdreamer"))
    assert trained.parts_mb["weights"] - plain.parts_mb["weights"] == pytest.approx(1732, rel=0.01)


def test_fastest_profile_that_fits_is_chosen_with_the_reason() -> None:
    options = options_of(real_job(), ON_CPU)
    needs = [option.prediction.host_mb for option in options]
    most = choose(options, Room(1e6), ON_CPU, "float32", {})
    assert (most.chosen, most.why[-1]) == (0, "everything fits at once")
    some = choose(options, Room(MARGIN * needs[1] + 1), ON_CPU, "float32", {})
    assert some.profile == options[1].profile
    assert "everything at once lacks" in some.why[-1]
    least = choose(options, Room(needs[-1] + 1), ON_CPU, "float32", {})
    assert least.chosen == len(options) - 1, "the smallest is tried without the margin"
    assert "change" in least.why[-1]


def test_gpu_and_host_must_both_have_room() -> None:
    options = options_of(real_job(), ON_GPU)
    needs = options[0].prediction
    assert choose(options, Room(1e6, needs.device_mb * 1.2), ON_GPU, "bfloat16", {}).chosen == 0
    assert choose(options, Room(1e6, needs.device_mb * 0.6), ON_GPU, "bfloat16", {}).chosen > 0
    with pytest.raises(LimbeckError, match="GB of memory even"):
        choose(options, Room(1000, 1e6), ON_GPU, "bfloat16", {})
    with pytest.raises(LimbeckError, match="GPU memory even"):
        choose(options, Room(1e6, 500), ON_GPU, "bfloat16", {})


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    with pytest.raises(LimbeckError) as refused:
        choose(options_of(real_job(), ON_CPU), Room(2000), ON_CPU, "float32", {"--prior embedded": 1000.0})
    assert refused.value.code == "E_MEMORY"
    assert "images of 1/2 the size" in refused.value.message
    assert "got 2.0 GB" in refused.value.message
    assert "--prior embedded (about 1.0 GB)" in refused.value.remedy


def test_plan_of_an_embedded_run_is_json_and_reads_no_weights() -> None:
    plan = plan_run(load_recipe("limbeck"), "embedded", CPU, texture_size=1024, room=Room(8000), compute=ON_CPU)
    found = plan.as_object()
    assert found["profile"] == "everything at once"
    assert 500 < found["memory_mb"] < 2000
    assert found["dtype"] == "float32"
    assert found["device_free_mb"] is None
    assert len(found["options"]) == 3


def test_container_may_take_less_than_is_free(tmp_path: Path) -> None:
    assert container_room_bytes(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("600\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100\n")
    assert container_room_bytes(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert container_room_bytes(tmp_path) == 500


def test_arithmetic_needs_no_torch() -> None:
    code = "import sys, limbeck.planning.architectures, limbeck.planning.weights, limbeck.planning.profiles; "
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
