"""Text in, a dataset folder out; a dataset folder in, batches out."""
