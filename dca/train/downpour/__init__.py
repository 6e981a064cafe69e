"""Downpour SGD: workers push gradients to a parameter server and wait for nobody (paper, §4).

One job is these processes, all on one machine for now:

- ``supervisor`` starts and watches the others, records, validates, writes checkpoints;
- ``server 0`` owns weights and accumulator in shared memory and is the only one to write them;
- ``worker i`` computes gradients on its share of the rows;
- ``agent i.0`` stands beside the server, and forms with worker i a Horovod world of two, through which
  gradients and weights travel.
"""

from dca.train.downpour.launch import run

__all__ = ["run"]
