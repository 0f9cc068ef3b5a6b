"""Programs that show runs, beside metrics.jsonl; one file each."""
