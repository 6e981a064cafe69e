import os
import subprocess
import sys


def run_job(tmp_path, body, stderr=subprocess.PIPE, **arguments):
    code = f"""
import sys
from dca.jobs import job
with job({str(tmp_path / "x.log")!r}, **{arguments!r}):
    import os, logging
    from dca.errors import ImageError
    {body}
"""
    return subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=60
    )


def test_output_of_all_kinds_goes_to_the_log(tmp_path):
    done = run_job(
        tmp_path, "print('one', flush=True); os.system('echo two'); logging.getLogger('a').info('three')"
    )
    assert done.returncode == 0 and done.stdout == "" and done.stderr == ""
    log = (tmp_path / "x.log").read_text()
    assert all(word in log for word in ("one", "two", "three"))


def test_an_error_is_one_line_for_the_user_and_a_traceback_in_the_log(tmp_path):
    done = run_job(tmp_path, "raise ImageError('a.nii', 'is bad', 'mend it')")
    assert done.returncode == 1
    assert done.stderr == f"dca: a.nii: is bad; mend it (log: {tmp_path / 'x.log'})\n"
    assert "Traceback" in (tmp_path / "x.log").read_text()


def test_an_unexpected_error_is_one_line_too(tmp_path):
    done = run_job(tmp_path, "1 / 0")
    assert done.returncode == 1
    assert (
        done.stderr.startswith("dca: unexpected ZeroDivisionError: division by zero")
        and done.stderr.count("\n") == 1
    )


def test_progress_stays_on_the_terminal(tmp_path):
    outer, inner = os.openpty()
    done = run_job(tmp_path, "print('50 %', file=sys.stderr)", stderr=inner, progress=True)
    os.close(inner)
    assert done.returncode == 0 and os.read(outer, 100) == b"50 %\r\n"
    os.close(outer)


def test_without_a_terminal_progress_goes_to_the_log(tmp_path):
    done = run_job(tmp_path, "print('50 %', file=sys.stderr)", progress=True)
    assert done.stderr == "" and (tmp_path / "x.log").read_text() == "50 %\n"


def test_threads_are_bounded(tmp_path):
    run_job(tmp_path, "print(os.environ['OMP_NUM_THREADS'], flush=True)", threads=3)
    assert (tmp_path / "x.log").read_text() == "3\n"
