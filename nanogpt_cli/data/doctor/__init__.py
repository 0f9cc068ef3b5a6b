"""What is odd about a text or a dataset: what ``prepare`` reports at its end."""
