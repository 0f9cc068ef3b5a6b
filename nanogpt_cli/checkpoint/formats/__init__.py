"""Checkpoint formats of this and of other programs, one file each."""
