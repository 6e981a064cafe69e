"""Decompose: sparse dictionaries of signals or features (online dictionary learning), maps of atoms."""

from dca.decompose.dictionary import learn
from dca.decompose.maps import write_maps

__all__ = ["learn", "write_maps"]
