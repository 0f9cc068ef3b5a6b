"""Loss curves drawn in a terminal, a picture or a page. Knows logs alone."""
