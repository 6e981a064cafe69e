import json
import subprocess

from dca.config import config_hash, load
from dca.provenance import collect, revision


def test_record_is_json_and_repeats() -> None:
    config = load()
    record = collect(config)
    assert json.loads(json.dumps(record)) == record == collect(config)
    assert record["config_sha256"] == config_hash(config)
    assert record["seeds"] == {"master": config["seed"]}
    assert record["packages"]["numpy"]


def test_absent_package_has_no_version(monkeypatch) -> None:
    monkeypatch.setattr("dca.provenance.PACKAGES", {"there": ("numpy",), "absent": ("no-such-distribution",)})
    packages = collect(load())["packages"]
    assert packages["there"] and packages["absent"] is None


def _git(folder, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_revision_names_the_commit_and_changes(tmp_path) -> None:
    assert revision(tmp_path) is None
    _git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("1")
    _git(tmp_path, "add", "code.py")
    _git(tmp_path, "commit", "-qm", "first")
    commit = _git(tmp_path, "rev-parse", "HEAD")
    assert revision(tmp_path) == commit
    (tmp_path / "untracked.txt").write_text("no matter")
    assert revision(tmp_path) == commit
    (tmp_path / "code.py").write_text("2")
    assert revision(tmp_path) == f"{commit}-dirty"


def test_package_inside_anothers_checkout_has_no_revision(tmp_path) -> None:
    _git(tmp_path, "init", "-q")
    (tmp_path / "readme").write_text("1")
    _git(tmp_path, "add", "readme")
    _git(tmp_path, "commit", "-qm", "first")
    package = tmp_path / ".venv" / "dca"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    assert revision(package) is None


def test_no_git_no_revision(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision(tmp_path) is None
