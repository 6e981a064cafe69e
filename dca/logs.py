"""Where messages go, and whose."""

from __future__ import annotations

import logging
from typing import Any

TALKATIVE = ("fontTools",)  # tells of every letter of every figure


def start_logging(**options: Any) -> None:
    """Show messages from now on, and of libraries that tell too much only warnings.

    Parameters
    ----------
    **options
        Of `logging.basicConfig`: where to, and in which form.
    """
    logging.basicConfig(level=logging.INFO, force=True, **options)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
