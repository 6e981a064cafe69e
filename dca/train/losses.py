"""The two parts of the loss (eq. 5) and their sum."""

from __future__ import annotations

from typing import NamedTuple


class Losses(NamedTuple):
    """Mean losses over a batch, or over many."""

    total: float
    """reconstruction + feature: what is minimised."""
    reconstruction: float
    """½‖x−x̂‖²."""
    feature: float
    """½λ‖Z−Z'‖²."""

    @classmethod
    def of(cls, reconstruction: float, feature: float) -> Losses:
        """From the two parts."""
        return cls(reconstruction + feature, reconstruction, feature)

    def as_dict(self) -> dict[str, float]:
        """Under the column names of history.tsv."""
        return {
            "loss": self.total,
            "reconstruction_loss": self.reconstruction,
            "feature_loss": self.feature,
        }
