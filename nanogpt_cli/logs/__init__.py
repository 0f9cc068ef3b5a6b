"""What a run writes down, and reading it back."""
