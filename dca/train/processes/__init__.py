"""The processes of a training, whatever they do: how they start, talk, meet and end.

- `supervised` starts the supervisor of a job, `nursery` forks what runs on this machine, `starters` decides
  between that and a launcher (`launchers`, `hosts`, `network`, `site`);
- `process` is what each does first; `channel` and `shared` join those of one machine, `desk`, `line` and
  `client` the supervisor and its launched workers;
- `pulse` is the supervisor's sign of life, and `waited` the clock of all limits;
- `world` is the only module that knows Horovod, and `roll` checks who is in one.
"""
