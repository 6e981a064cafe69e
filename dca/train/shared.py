"""Whether the runs of a study can be each other's targets (``train.target: others``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dca.compare.others import is_common
from dca.errors import ConfigError

_REMEDY = "set train.target: own"


def check_shared(spaces: Mapping[str, str | None], with_events: Collection[str]) -> None:
    """Check what is known of the runs before anything is computed.

    Parameters
    ----------
    spaces : mapping of str to str or None
        run_id → the space that it is in when it is preprocessed.
    with_events : collection of str
        Runs that have events.

    Raises
    ------
    ConfigError
        If a run is not in the space of a template, they are in several, or one is at rest.
    """
    apart = [run_id for run_id, space in spaces.items() if not is_common(space)]
    if apart:
        problem = f"is `others`, but voxels of {apart[0]} lie in no space that runs have in common"
        raise ConfigError("train.target", problem, f"set preprocess.registration, or {_REMEDY}")
    several = sorted(set(map(str, spaces.values())))
    if len(several) > 1:
        problem = f"is `others`, but runs are in several spaces ({', '.join(several)})"
        raise ConfigError("train.target", problem, f"choose one (input.derivatives), or {_REMEDY}")
    rest = [run_id for run_id in spaces if run_id not in with_events]
    if rest:
        problem = f"is `others`, but {rest[0]} has no events that others could share"
        raise ConfigError("train.target", problem, f"leave it out (input.exclude), or {_REMEDY}")
