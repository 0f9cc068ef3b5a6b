"""One process or many: all that training knows of the others.

Every process runs the same lines. What they exchange goes through a ``Parallel``: a single process
(``single.py``), one of many with a whole model each (``replicated.py``), or one of many that share
a model's parameters out (``sharded.py``). ``launch.py`` says which process this is, ``group.py``
lets them meet, ``elastic.py`` starts them.
"""

from nanogpt_cli.training.parallel.group import join
from nanogpt_cli.training.parallel.launch import Launch, launched
from nanogpt_cli.training.parallel.single import Parallel

__all__ = ["Launch", "Parallel", "join", "launched"]
