"""The general linear model of one run: design, contrasts, fit."""

from dca.glm.design import Design, make_design
from dca.glm.fit import fit_run

__all__ = ["Design", "fit_run", "make_design"]
