"""What can be said of a model's quality, one file for each metric."""
