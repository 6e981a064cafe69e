"""The check of groups that stands in for Snakemake's own."""

import subprocess
import sys

import pytest

from dca.config import ROOT

CHAIN = """
include: "{groups}"

rule all:
    input: "c"

rule a:
    output: "a"
    group: "one"
    shell: "touch a"

rule b:
    input: "a"
    output: "b"
    {between}
    shell: "touch b"

rule c:
    input: "a", "b"
    output: "c"
    group: "one"
    shell: "touch c"
"""


@pytest.mark.workflow
@pytest.mark.parametrize(("between", "good"), [("", False), ('group: "two"', False), ('group: "one"', True)])
def test_a_group_that_needs_itself_through_another_job_is_refused(tmp_path, between, good):
    text = CHAIN.format(groups=ROOT / "rules/common/groups.smk", between=between)
    (tmp_path / "Snakefile").write_text(text)
    command = [sys.executable, "-m", "snakemake", "-n"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == good, said
    assert good or "group one needs b, which needs the group" in said
