import os

import pytest

from ..conftest import brain as brain_image  # noqa: F401  (a fixture)


@pytest.fixture
def standin_fsl(fsl_standins, monkeypatch, tmp_path):
    """FSLDIR leads to the stand-ins; the file returned takes their command lines."""
    monkeypatch.setenv("FSLDIR", str(fsl_standins))
    monkeypatch.setenv("STANDIN_COMMANDS", str(tmp_path / "commands"))
    monkeypatch.delenv("STANDIN_FAILS", raising=False)
    return tmp_path / "commands"


@pytest.fixture
def no_fsl(monkeypatch, tmp_path):
    """A machine without FSL."""
    monkeypatch.delenv("FSLDIR", raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", "/bin"]))
