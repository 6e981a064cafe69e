"""Decompose: sparse dictionaries of signals or features (online dictionary learning), maps of atoms."""

from dca.decompose.code import code_run
from dca.decompose.dictionary import learn
from dca.decompose.group import learn_group
from dca.decompose.maps import write_maps

__all__ = ["code_run", "learn", "learn_group", "write_maps"]
