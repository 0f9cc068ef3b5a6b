"""The model: token ids to logits."""
