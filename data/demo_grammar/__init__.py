"""Tables and composer behind the demo corpus; see ``data/README.md``."""
