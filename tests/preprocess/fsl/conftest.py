import os

import pytest

from ..conftest import brain as brain_image  # noqa: F401  (a fixture)


@pytest.fixture
def standin_fsl(fsl_standins, monkeypatch, tmp_path):
    """FSLDIR leads to the stand-ins; the file returned takes their command lines."""
    monkeypatch.setenv("FSLDIR", str(fsl_standins))
    monkeypatch.setenv("STANDIN_COMMANDS", str(tmp_path / "commands"))
    monkeypatch.delenv("STANDIN_FAILS", raising=False)
    before = templates(fsl_standins)
    yield tmp_path / "commands"
    assert templates(fsl_standins) == before, "FSL's own templates were overwritten"


def templates(folder):
    """Content of FSL's templates by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("data/standard/*"))}


@pytest.fixture
def no_fsl(monkeypatch, tmp_path):
    """A machine without FSL."""
    monkeypatch.delenv("FSLDIR", raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", "/bin"]))
