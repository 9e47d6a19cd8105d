# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A CLIP tokenizer in whose vocabulary every word of the playset's captions is one token."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from limbeck.training.disk import reported_writes

TEXT_TOKENS = 16
START, END = "<|startoftext|>", "<|endoftext|>"
CLIP_WORDS = r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""How CLIP parts text before byte-pair encoding: runs of letters, single digits, runs of signs."""


def write_tokenizer(words: Iterable[str], folder: Path) -> Any:
    """Train byte-pair merges until every word is one token, write the files of a CLIPTokenizer, and return it.

    Any other text still encodes, letter by letter, down to bytes.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    split = pre_tokenizers.Split(Regex(CLIP_WORDS), "removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=100_000, min_frequency=1, show_progress=False, initial_alphabet=letters, end_of_word_suffix="</w>"
    )
    tokenizer.train_from_iterator(sorted(words), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    with reported_writes(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _write_vocabulary(model, letters, folder)
        trained = CLIPTokenizer.from_pretrained(
            folder, model_max_length=TEXT_TOKENS, pad_token=END, local_files_only=True
        )
        trained.save_pretrained(folder)
    return trained


def _write_vocabulary(model: Any, letters: list[str], folder: Path) -> None:
    """Write ``vocab.json`` (letters, letters that end a word, merged pieces, the two marks) and ``merges.txt``."""
    pairs = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in model["merges"]]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    pieces += [piece for piece in dict.fromkeys("".join(pair) for pair in pairs) if piece not in set(pieces)]
    vocabulary = {piece: index for index, piece in enumerate([*pieces, START, END])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    merges = "\n".join(" ".join(pair) for pair in pairs)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    marks = {"unk_token": END, "bos_token": START, "eos_token": END, "pad_token": END}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": TEXT_TOKENS, **marks}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
