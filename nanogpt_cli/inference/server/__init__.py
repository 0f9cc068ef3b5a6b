"""The chat in a browser, and an API beside it."""
