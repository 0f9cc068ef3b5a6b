"""Train transformers' GPT-2 with a plain AdamW loop, in nanoGPT's laptop recipe, for the race.

Usage: python benchmarks/peer_transformers.py DATA_DIR OUT_DIR SEED

Leaves OUT_DIR/ckpt.pt in nanoGPT's form and prints its seconds of training as JSON.
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
import transformers

from nanogpt_cli.data.batches import training_batch
from nanogpt_cli.data.store import open_dataset

STEPS, WARMUP, BATCH, BLOCK, WIDTH, LAYERS, HEADS, PEAK = 2000, 100, 12, 64, 128, 4, 4, 1e-3


def main() -> None:
    """Train and save."""
    data, out, seed = open_dataset(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(seed)
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=data.vocab_size, n_positions=BLOCK, n_embd=WIDTH, n_layer=LAYERS,
            n_head=HEADS, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
        )
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK, betas=(0.9, 0.99), weight_decay=0.1)
    begin = time.perf_counter()
    for step in range(STEPS):
        done = max(0.0, (step - WARMUP) / (STEPS - WARMUP))
        rate = PEAK * min((step + 1) / WARMUP, 0.1 + 0.45 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        numbers = range(step * BATCH, (step + 1) * BATCH)
        inputs, targets = training_batch(data.train, seed=seed, numbers=numbers, block_size=BLOCK)
        logits = model(inputs).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    seconds = time.perf_counter() - begin
    weights = {
        name: w.T.contiguous() if w.dim() == 2 and ".h." in name else w
        for name, w in model.state_dict().items()
    }
    args = {
        "n_layer": LAYERS, "n_head": HEADS, "n_embd": WIDTH, "block_size": BLOCK,
        "bias": True, "vocab_size": data.vocab_size, "dropout": 0.0, "gelu": "tanh",
    }  # fmt: skip
    out.mkdir(parents=True)
    torch.save(
        {"model": weights, "model_args": args, "iter_num": STEPS, "config": {}}, out / "ckpt.pt"
    )
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
