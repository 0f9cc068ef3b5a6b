"""Checkpoints: read safely, brought up to date, written whole."""
