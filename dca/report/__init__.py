"""The report: an index of the study and one page per subject, static HTML without any outside address."""

from dca.report.index import write_index
from dca.report.subject import write_subject

__all__ = ["write_index", "write_subject"]
