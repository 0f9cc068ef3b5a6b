"""Loss curves, drawn."""
