"""Checkpoint formats of other programs, one file each."""
