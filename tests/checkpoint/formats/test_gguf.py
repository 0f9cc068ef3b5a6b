"""llama.cpp's own reader finds in the file what was written to it."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from exported import CHAT, TAGS, checkpoint, tokenizers
from gguf.quants import dequantize

from nanogpt_cli.checkpoint.export import export
from nanogpt_cli.checkpoint.formats.gguf_file import read_head
from nanogpt_cli.errors import CheckpointError, UsageError
from nanogpt_cli.tokenizer.load import from_dict, train_char


def written(tiny, dtype="f16", **settings):
    """Export a tiny GPT-2; return the checkpoint and gguf-py's view of the file."""
    made, _ = checkpoint(tiny, **settings)
    result = export(Path("a.pt"), "gguf", dtype=dtype, force=True)
    reader = gguf.GGUFReader(result.output)
    fields = {name: found.contents() for name, found in reader.fields.items()}
    tensors = {
        t.name: (t.tensor_type.name, dequantize(t.data, t.tensor_type)) for t in reader.tensors
    }
    return made, fields, tensors


@pytest.mark.parametrize("dtype", ["f32", "f16", "q8_0"])
@pytest.mark.parametrize("pos", ["default", "rope"])
def test_gguf_py_reads_settings_and_numbers(tiny, dtype, pos):
    made, fields, tensors = written(tiny, dtype, pos_embd=pos, bias=pos == "rope")
    name = {"default": "gpt2", "rope": "gptneox"}[pos]
    assert fields["general.architecture"] == name
    assert fields[f"{name}.block_count"] == 2
    assert fields[f"{name}.context_length"] == 24
    assert fields[f"{name}.attention.head_count"] == 2
    assert fields[f"{name}.feed_forward_length"] == 128
    assert fields[f"{name}.attention.layer_norm_epsilon"] == pytest.approx(1e-5)
    if pos == "rope":
        assert fields["gptneox.use_parallel_residual"] is False
        assert fields["gptneox.rope.dimension_count"] == 16
    else:
        assert tensors["position_embd.weight"][0] == "F32"
    near = {"f32": 0, "f16": 1e-3, "q8_0": 5e-3}[dtype]
    for theirs, ours in (
        ("token_embd.weight", "transformer.wte.weight"),
        ("blk.1.attn_qkv.weight", "transformer.h.1.attn.c_attn.weight"),
        ("blk.0.ffn_down.weight", "transformer.h.0.mlp.c_proj.weight"),
        ("output_norm.weight", "transformer.ln_f.weight"),
        ("output.weight", "transformer.wte.weight"),
    ):
        stored, numbers = tensors[theirs]
        wanted = made.model[ours].numpy()
        assert stored == ("F32" if wanted.ndim == 1 else dtype.upper())
        assert np.abs(numbers - wanted).max() <= near, theirs
    assert set(tensors["blk.0.attn_qkv.bias"][1].shape) == {96}
    assert len(tensors) == 2 * 12 + (5 if pos == "default" else 4)


def test_tokens_and_merges(tiny):
    for kind in ("bpe", "byte"):
        described = tokenizers()[kind]
        tokenizer = from_dict(described)
        _, fields, _ = written(tiny, tokenizer=described, vocab_size=tokenizer.vocab_size + 3)
        tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
        assert len(tokens) == len(kinds) == tokenizer.vocab_size + 3
        assert tokens[-4:] == ["<|endoftext|>", *(f"[PAD{len(tokens) - i}]" for i in (3, 2, 1))]
        assert [tokens[tokenizer.special_tokens[tag]] for tag in TAGS] == list(TAGS)
        assert fields["tokenizer.ggml.eos_token_id"] == tokenizer.special_tokens["<endOfText>"]
        assert fields["tokenizer.chat_template"].endswith("{%- endif -%}")
        merges = fields["tokenizer.ggml.merges"]
        assert bool(merges) == (kind == "bpe")
        assert all(pair.replace(" ", "") in tokens for pair in merges)
    assert fields["tokenizer.ggml.pre"] == "gpt-2"


def test_what_llama_cpp_has_not_is_refused_with_the_nearest_way(tiny):
    for settings, problem in (
        ({"arch": "modern"}, "--arch modern"),
        ({"pos_embd": "relative"}, "--pos-embd relative"),
        (
            {"tokenizer": train_char(["añ"]).to_dict(), "chat": None, "vocab_size": 2},
            "beyond ASCII",
        ),
    ):
        checkpoint(tiny, **settings)
        with pytest.raises(UsageError, match=problem) as caught:
            export(Path("a.pt"), "gguf")
        assert "train with --" in caught.value.hint
    assert not Path("a.gguf").exists()


def test_the_head_of_an_untrusted_file(tiny):
    checkpoint(tiny, chat=CHAT)
    path = export(Path("a.pt"), "gguf").output
    metadata, shapes = read_head(path)
    assert metadata["general.architecture"] == "gpt2"
    assert shapes["blk.0.attn_qkv.weight"] == (96, 32)
    sound = path.read_bytes()
    for changed in (
        b"GGUX" + sound[4:],
        sound[:4] + b"\xff" * 20 + sound[24:],
        sound[:16] + b"\xff" * 7 + b"\x7f" + sound[24:],
        sound[:300],
        sound[:24] + b"\xff" * 8 + sound[32:],
        sound.replace(b"\x09\0\0\0\x08", b"\x09\0\0\0\x09", 1),
    ):
        path.write_bytes(changed)
        with pytest.raises(CheckpointError, match=r"a\.gguf is corrupt, or not a GGUF file"):
            read_head(path)
