"""What files of text and dialogues may look like: one file per format."""
