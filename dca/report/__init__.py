"""The report: an index of the study, a page of the training and one per subject, static HTML."""

from dca.report.bundle import bundle_report
from dca.report.index import write_index
from dca.report.subject import write_subject
from dca.report.training import write_training

__all__ = ["bundle_report", "write_index", "write_subject", "write_training"]
