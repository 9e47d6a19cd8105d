# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Traps of diffusers, transformers and their neighbours, each with the test that fails where it is fallen into.

Those below lie elsewhere or here; ``test_every_trap_has_its_test`` holds this list to the files.

an extra package replaces torch by another build
    test_no_dependency_brings_another_torch
torchvision that does not match torch breaks the import
    test_everything_loads_without_torchvision
CLIPTokenizer of a wrong folder loads empty, silently
    test_empty_tokenizer_is_refused
weights fall back to a pickle
    test_pickle_beside_nothing_is_never_read
MVDream without camera is not camera zero
    test_camera_is_neither_left_out_nor_zero
MVDream's views are contiguous, branches outermost
    test_views_of_one_object_see_one_another_alone
MVDream's camera is c2w in its own world
    test_cameras.test_mvdream_sees_our_front_from_plus_x
loading an IP-Adapter forgets the views of processors
    test_adapter_cannot_forget_the_views_of_a_unet
Zero-1-to-3 has a pipeline that diffusers lacks
    test_zero123_loads_though_its_pipeline_is_unknown
Zero-1-to-3's mirrors name one layer differently
    test_novel_view.test_both_published_names_of_the_projection_load_alike
Zero-1-to-3's image latents are not scaled
    test_novel_view.test_the_condition_is_a_linear_token_and_latents_that_are_not_scaled
zero image embeddings are not the base model
    test_ip_adapter.test_zero_embeddings_are_not_the_base_model
a mask per sample works by an accident of shapes
    test_ip_adapter.test_gate_0_is_the_base_model_bit_for_bit_and_gate_1_the_ungated_adapter
an adapter's layers count the middle block last
    test_ip_adapter.test_diffusers_pipeline_loads_the_same_adapter
peft's disable_adapters freezes what it disables
    test_lora.test_training_lowers_the_loss_and_leaves_the_prior_alone
variant="fp16" is strict
    test_hosts.test_weights_in_half_precision_alone_are_read
half types are many times slower on CPUs
    test_hosts.test_cpu_and_small_models_stay_in_float32
Stable Diffusion 2 pads with "!"
    test_padding_is_the_tokenizers_own
text encoders of transformers 5 have other names
    test_weights_of_before_transformers_5_are_read_whole
a tokenizer may not know its length
    test_prompts_have_the_encoders_length_whatever_the_tokenizer_says
a gated repository is "not found" as well
    test_catalogue.test_gated_model_says_what_to_accept
HF_HOME counts only before the import
    test_models_command.test_model_is_pulled_listed_verified_and_pruned
v is not eps
    test_host_layouts.test_eps_is_that_of_diffusers_own_parts
a python int as timestep compiles again and again
    test_timesteps_reach_the_unet_as_tensors
offloading of pipelines needs an accelerator
    test_no_pipeline_is_loaded_and_nothing_offloaded
diffusers is slow to import
    test_imports.test_nothing_heavy_is_imported
"""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

from limbeck.errors import LimbeckError
from limbeck.priors.files import load_weights
from limbeck.priors.ip_adapter import attach_adapter, read_adapter
from limbeck.priors.loading import load_prior
from limbeck.priors.multiview import join_views
from limbeck.priors.prior import Cond
from limbeck.priors.text_encoder import load_tokenizer
from real_hosts import write_ip_adapter, write_model, write_mvdream, write_zero123
from tiny_models import CPU

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "limbeck"


def test_every_trap_has_its_test() -> None:
    listed = re.findall(r"^    (test_[\w.]+)$", __doc__ or "", re.MULTILINE)
    assert len(listed) == len(set(listed)) >= 13
    for name in listed:
        module, _, test = name.rpartition(".")
        (path,) = (ROOT / "tests").rglob(f"{module or Path(__file__).stem}.py")
        functions = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
        assert test in functions, name


def test_no_dependency_brings_another_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [line for lines in project["optional-dependencies"].values() for line in lines]
    names = {re.split(r"[^\w-]", line)[0] for line in (*project["dependencies"], *optional)}
    assert not names & {"timm", "open-clip-torch", "open_clip_torch", "torchvision", "xformers", "accelerate", "peft"}
    (torch_line,) = [line for line in project["dependencies"] if line.startswith("torch>")]
    assert ",<" in torch_line


def test_everything_loads_without_torchvision() -> None:
    """One that is there and breaks breaks transformers itself: none may be needed, so that none has to be installed."""
    hidden = "import sys; sys.modules |= dict.fromkeys(('torchvision', 'timm', 'open_clip', 'peft', 'accelerate'))"
    modules = "limbeck.generate, limbeck.evaluation.loading, limbeck.priors.loading, limbeck.priors.pair_classifier"
    load = "limbeck.priors.loading.load_prior('embedded', 'image_prompt', __import__('torch').device('cpu'))"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{hidden}\nimport {modules}\n{load}"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_empty_tokenizer_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, "sd-2.1-base")
    encoder = load_weights(CLIPTextModel, tmp_path / "text_encoder")
    (tmp_path / "nothing").mkdir()
    assert len(CLIPTokenizer.from_pretrained(tmp_path / "nothing", local_files_only=True)) < 10  # the trap itself
    with pytest.raises(ValueError, match="its text encoder 680"):
        load_tokenizer(tmp_path, encoder.config.vocab_size, "nothing")


def test_pickle_beside_nothing_is_never_read(tmp_path: Path) -> None:
    write_model(tmp_path, "sd-2.1-base")
    for part, name in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        weights = tmp_path / part / f"{name}.safetensors"
        pickled = weights.with_name("pytorch_model.bin" if name == "model" else f"{name}.bin")
        content = weights.read_bytes()
        torch.save({"conv_in.weight": torch.zeros(1)}, pickled)
        weights.unlink()
        with pytest.raises(LimbeckError, match="could not load"):
            load_prior(str(tmp_path), "text_to_image", CPU)
        weights.write_bytes(content)
        pickled.unlink()


@pytest.fixture(scope="module")
def mvdream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(8)
    folder = tmp_path_factory.mktemp("mvdream")
    write_mvdream(folder)
    return folder


def test_camera_is_neither_left_out_nor_zero(mvdream: Path) -> None:
    prior = load_prior(str(mvdream), "multi_view", CPU)
    xt, t, text = torch.randn(4, 4, 8, 8), torch.full((4,), 300), prior.encode_text(["a red mug"] * 4)
    with pytest.raises(ValueError, match="expected a camera"):
        prior.eps(xt, t, Cond(text))
    zero = prior.eps(xt, t, Cond(text, camera=torch.zeros(4, 16)))
    get_class_embed = prior.unet.get_class_embed
    prior.unet.get_class_embed = lambda **_: None  # what MVDream does in its two-dimensional mode
    without = prior.unet(xt, t, text, return_dict=False)[0]
    prior.unet.get_class_embed = get_class_embed
    assert (zero - without).abs().max() > 1e-3


def test_views_of_one_object_see_one_another_alone(mvdream: Path) -> None:
    prior = load_prior(str(mvdream), "multi_view", CPU)
    xt, t, text = torch.randn(8, 4, 8, 8), torch.full((8,), 300), prior.encode_text(["a red mug"] * 8)
    camera = torch.randn(8, 16)
    before = prior.eps(xt, t, Cond(text, camera=camera))
    changed = xt.clone()
    changed[1] += 1.0
    apart = (prior.eps(changed, t, Cond(text, camera=camera)) - before).abs().amax((1, 2, 3))
    assert (apart[:4] > 1e-6).all()
    assert (apart[4:] == 0).all()
    with pytest.raises(ValueError, match="whole groups of 4"):
        prior.eps(xt[:6], t[:6], Cond(text[:6], camera=camera[:6]))


def test_adapter_cannot_forget_the_views_of_a_unet(tmp_path: Path) -> None:
    """diffusers makes other processors anew by their class alone: ours has no default for its views to slip in."""
    folder = write_model(tmp_path / "sd", "sd-1.5")
    adapter = read_adapter(write_ip_adapter(tmp_path / "adapter") / "models" / "ip-adapter_sd15.safetensors")
    joined_first, adapted_first = (load_weights(UNet2DConditionModel, folder / "unet") for _ in range(2))
    join_views(joined_first, 2)
    with pytest.raises(TypeError, match="views"):
        attach_adapter(joined_first, adapter, CPU)
    attach_adapter(adapted_first, adapter, CPU)
    join_views(adapted_first, 2)
    processors = adapted_first.attn_processors.items()
    assert {processor.views for name, processor in processors if ".attn1." in name} == {2}
    assert all(type(processor).__name__.startswith("IPAdapter") for name, processor in processors if ".attn2." in name)


def test_zero123_loads_though_its_pipeline_is_unknown(tmp_path: Path) -> None:
    write_zero123(tmp_path)
    index = {"_class_name": "Zero1to3StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(AttributeError):
        DiffusionPipeline.from_pretrained(tmp_path, local_files_only=True)  # the trap itself
    assert load_prior(str(tmp_path), "novel_view", CPU).spec.image_size == 64


@pytest.mark.parametrize(("alias", "pad"), [("sd-1.5", 679), ("sd-2.1-base", 0)])
def test_padding_is_the_tokenizers_own(tmp_path: Path, alias: str, pad: int) -> None:
    write_model(tmp_path, alias)
    encoder = load_prior(str(tmp_path), "text_to_image", CPU).text_encoder
    ids = encoder.window.tokenizer(["a red mug"], padding="max_length", max_length=77).input_ids[0]
    assert encoder.window.tokens == len(ids) == 77
    assert ids[-1] == pad == encoder.window.tokenizer.pad_token_id


def test_prompts_have_the_encoders_length_whatever_the_tokenizer_says(tmp_path: Path) -> None:
    write_model(tmp_path, "sd-1.5")
    path = tmp_path / "tokenizer" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": int(1e30)}))
    prior = load_prior(str(tmp_path), "text_to_image", CPU)
    assert prior.encode_text(["a red mug", "mug " * 200]).shape == (2, 77, 24)


def test_weights_of_before_transformers_5_are_read_whole(tmp_path: Path) -> None:
    write_model(tmp_path, "sd-1.5")
    path = tmp_path / "text_encoder" / "model.safetensors"
    assert b'"text_model.embeddings.position_ids"' in path.read_bytes()[:100_000]
    loaded = load_weights(CLIPTextModel, tmp_path / "text_encoder").state_dict()
    written = {name.removeprefix("text_model."): value for name, value in load_file(path).items()}
    written.pop("embeddings.position_ids")
    assert set(loaded) == set(written)
    assert all(torch.equal(loaded[name], written[name]) for name in loaded)


def test_timesteps_reach_the_unet_as_tensors(tmp_path: Path) -> None:
    prior = load_prior(str(write_model(tmp_path, "sd-1.5")), "text_to_image", CPU)
    seen = []
    prior.unet.time_proj.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    prior.eps(torch.randn(2, 4, 8, 8), torch.tensor([30, 700]), Cond(prior.encode_text(["a", "b"])))
    assert seen[0].tolist() == [30, 700]


def test_no_pipeline_is_loaded_and_nothing_offloaded() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in CORE.rglob("*.py"))
    assert "Pipeline.from_pretrained" not in text
    assert "enable_model_cpu_offload" not in text
    assert "disable_adapters" not in text
