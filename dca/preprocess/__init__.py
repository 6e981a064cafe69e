"""Preprocessing: from the scanner's images to runs that are ready for analysis, one step per module."""
