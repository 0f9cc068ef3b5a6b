"""From a prompt to a reply."""
