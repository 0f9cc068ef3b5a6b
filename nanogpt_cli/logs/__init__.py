"""What a run has logged: metrics.jsonl, nanoGPT's console logs, and the curves made of them."""
