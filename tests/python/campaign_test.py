"""A campaign's life with the synthetic job: rank counts, resuming, signals, owners, failures, exit codes."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np

from mpira_test import (MPIEXEC, MPIRA, Running, assert_equal_results, done_units, mpira, open_h5, read_anndata, run_cases, status,
                        synthetic_rows, wait_until)

SMALL = ["--set", "rows=400", "--set", "columns=5", "--set", "rows_per_unit=7", "--set", "duration.mean_ms=1"]
SLOW = ["--set", "rows=4000", "--set", "columns=5", "--set", "rows_per_unit=10", "--set", "duration.mean_ms=40",
        "--set", "commit.seconds=0.1"]


def same_bytes_at_every_rank_count(folder):
    files = []
    for ranks in (0, 1, 2, 3, 4):
        files.append(folder / f"{ranks}.h5ad")
        mpira("synthetic", *SMALL, "--output", files[-1], ranks=ranks, code=0)
    for file in files[1:]:
        assert_equal_results(files[0], file)
    data = read_anndata(files[0])
    assert data.X.dtype == np.float32
    np.testing.assert_array_equal(data.X, synthetic_rows(np.arange(400), 5))
    np.testing.assert_allclose(data.obs["row_sum"], data.X.sum(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(data.varm["maximum"].ravel(), data.X.max(axis=0))
    assert data.obs["done"].all()


def more_ranks_than_units(folder):
    mpira("synthetic", "--set", "rows=2", "--set", "rows_per_unit=1", "--output", folder / "a.h5ad", ranks=4, code=0)
    assert status(folder / "a.h5ad")["outcome"] == "done"


def a_finished_campaign_stays_as_it_is(folder):
    file = folder / "a.h5ad"
    mpira("synthetic", *SMALL, "--output", file, ranks=2, code=0)
    before = file.read_bytes()
    again = mpira("synthetic", *SMALL, "--output", file, code=0)
    assert "58 by earlier runs" in again.text, again
    with open_h5(file) as handle:
        assert handle["uns/mpira/journal"].shape[0] == 58
    assert_equal_results(file, file)
    assert len(before) == file.stat().st_size


def a_changed_setting_is_refused_by_name(folder):
    file = folder / "a.h5ad"
    text = folder / "input.txt"
    text.write_text("one")
    base = [*SMALL, "--set", f"input={text}", "--output", file]
    mpira("synthetic", *base, code=0)
    for key, value in (("seed", 2), ("rows", 401), ("columns", 6), ("rows_per_unit", 8)):
        words = [word for word in base if not str(word).startswith(f"{key}=")]
        words = [word for i, word in enumerate(words) if word != "--set" or words[i + 1] != "--set"]
        words = [word for i, word in enumerate(words) if word != "--set" or "=" in str(words[i + 1])]
        refused = mpira("synthetic", *words, "--set", f"{key}={value}", ranks=2, code=2)
        assert key in refused.text and str(value) in refused.text, refused
    text.write_text("two")
    refused = mpira("synthetic", *base, code=2)
    assert "input" in refused.text, refused
    text.write_text("one")
    mpira("synthetic", *base, "--set", "commit.seconds=2", "--set", "duration.mean_ms=2", code=0)  # may change


def fresh_and_overwrite(folder):
    file = folder / "a.h5ad"
    mpira("synthetic", *SMALL, "--output", file, code=0)
    refused = mpira("synthetic", *SMALL, "--set", "seed=2", "--fresh", "--output", file, code=2)
    assert "--overwrite" in refused.text and "a.h5ad" in refused.text, refused
    mpira("synthetic", *SMALL, "--set", "seed=2", "--fresh", "--overwrite", "--output", file, ranks=2, code=0)
    np.testing.assert_array_equal(read_anndata(file).X, synthetic_rows(np.arange(400), 5, seed=2))
    old = folder / "a.h5ad.old"
    with open_h5(old) as handle:
        np.testing.assert_array_equal(handle["X"][()], synthetic_rows(np.arange(400), 5))
    # A second one keeps the first copy.
    before = old.read_bytes()
    mpira("synthetic", *SMALL, "--set", "seed=3", "--fresh", "--overwrite", "--output", file, code=0)
    assert old.read_bytes() == before
    np.testing.assert_array_equal(read_anndata(folder / "a.h5ad.old.2").X, synthetic_rows(np.arange(400), 5, seed=2))
    mpira("synthetic", *SMALL, "--fresh", "--output", folder / "new.h5ad", code=0)  # nothing to overwrite


def a_signal_stops_and_the_next_start_resumes(folder):
    reference = folder / "reference.h5ad"
    mpira("synthetic", *SLOW, "--set", "duration.mean_ms=0", "--output", reference, ranks=2, code=0)
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
        file = folder / f"{number.name}.h5ad"
        words = ["synthetic", *SLOW, "--output", file]
        run = Running(*words)
        wait_until(lambda: len(done_units(file)) > 3, what="first commits")
        run.signal(number)
        begin = time.monotonic()
        result = run.wait(10)
        assert result.returncode == 3, result
        assert "stopped" in result.text, result
        if number != signal.SIGUSR1:
            assert time.monotonic() - begin < 3, f"{number.name} took {time.monotonic() - begin:.1f} s"
        now = status(file)
        assert now["outcome"] == "partial" and 0 < now["done"] < now["units"], now
        assert not now["owner_alive"]
        mpira(*words[:1], *SLOW, "--set", "duration.mean_ms=0", "--output", file, ranks=3, code=0)
        assert_equal_results(reference, file)


def signals_under_mpirun(folder):
    """mpirun forwards USR1, so its exit code is ours; after TERM it returns what it likes: the file knows."""
    for number in (signal.SIGUSR1, signal.SIGTERM):
        file = folder / f"{number.name}.h5ad"
        run = Running("synthetic", *SLOW, "--output", file, ranks=2)
        wait_until(lambda: len(done_units(file)) > 3, what="first commits")
        before = done_units(file)
        run.signal(number)
        result = run.wait(30)
        if number == signal.SIGUSR1:
            assert result.returncode == 3, result
        assert result.returncode != 0, result
        now = status(file)
        assert now["outcome"] == "partial" and now["done"] >= len(before), now
        assert before <= done_units(file)


def one_owner_at_a_time(folder):
    file = folder / "a.h5ad"
    first = Running("synthetic", *SLOW, "--set", "duration.mean_ms=400", "--output", file)
    wait_until(lambda: done_units(file), what="a first commit")
    assert status(file)["outcome"] == "running"
    # Another campaign is refused at once, without a wait for the owner's end.
    refused = mpira("synthetic", *SLOW, "--set", "seed=2", "--output", file, code=2)
    assert "seed = 1, now 2" in refused.text and "waiting" not in refused.text, refused
    impatient = ["--set", "store.owner_wait_s=1"]
    second = Running("synthetic", *SLOW, *impatient, "--output", file, ranks=2)
    third = Running("synthetic", *SLOW, *impatient, "--fresh", "--overwrite", "--output", file)
    for run in (second, third):
        refused = run.wait(40)
        assert refused.returncode == 2, refused
        assert str(first.process.pid) in refused.text and "a.h5ad" in refused.text, refused
        assert "waiting up to 1 s" in refused.text, refused
    first.signal(signal.SIGUSR1)
    assert first.wait(20).returncode == 3


def a_failing_unit_is_set_aside(folder):
    file = folder / "a.h5ad"
    words = ["synthetic", *SMALL, "--output", file]
    result = mpira(*words, "--set", "fail.always=3,57", ranks=2, code=3)
    now = status(file)
    assert now["failed"] == 2 and now["done"] == 56 and now["left"] == 0 and now["outcome"] == "failed", now
    assert {one["unit"] for one in now["first_errors"]} == {3, 57}, now
    assert all("told to fail" in one["error"] for one in now["first_errors"]), now
    assert "told to fail" in mpira("status", file, code=0).stdout
    assert "set aside" in result.text, result
    data = read_anndata(file)
    assert not data.obs["done"].iloc[21:28].any() and data.obs["done"].iloc[:21].all()
    mpira(*words, ranks=2, code=0)  # it can be run again once the reason is gone
    reference = folder / "reference.h5ad"
    mpira("synthetic", *SMALL, "--output", reference, code=0)
    assert_equal_results(reference, file)


def a_unit_that_fails_once_is_retried(folder):
    marks = folder / "marks"
    marks.mkdir()
    for ranks in (0, 2):
        file = folder / f"{ranks}.h5ad"
        mpira("synthetic", *SMALL, "--output", file, "--set", "fail.once=0,5", "--set", f"fail.marks={marks}",
              ranks=ranks, code=0)
        assert len(list(marks.iterdir())) == 2
        for mark in marks.iterdir():
            mark.unlink()
    assert_equal_results(folder / "0.h5ad", folder / "2.h5ad")


def a_rank_that_dies_ends_the_job_within_seconds(folder):
    file = folder / "a.h5ad"
    words = ["synthetic", *SLOW, "--set", "duration.mean_ms=5", "--output", file]
    result = mpira(*words, "--set", "fail.kill=0", ranks=3, timeout=30)
    assert result.returncode != 0, result
    # mpirun returns when it has killed the others; the kernel may need a moment to end them
    now = wait_until(lambda: (now := status(file))["outcome"] == "partial" and now, 10, "the owner's end")
    assert now["done"] < now["units"], now
    mpira(*words, ranks=2, code=0)


def status_while_it_runs(folder):
    file = folder / "a.h5ad"
    run = Running("synthetic", *SLOW, "--output", file, ranks=2)
    wait_until(lambda: len(done_units(file)) > 10, what="commits")
    now = status(file)
    assert now["outcome"] == "running" and now["owner_alive"], now
    text = mpira("status", file, code=0).stdout
    assert re.search(r"units +\d+ of 400 done", text) and "is writing it" in text, text
    read_anndata(file)
    run.signal(signal.SIGUSR1)
    run.wait(20)
    checked = mpira("verify", file, code=0).stdout
    assert re.search(r"checked (\d+) of \1 finished units; \d+ are not computed", checked), checked
    sealed = mpira("seal", file, "--partial", "--output", folder / "partial.h5ad", code=0).stdout
    assert re.search(r": \d+ units; \d+ are not computed", sealed), sealed


def verify_and_seal(folder):
    file = folder / "a.h5ad"
    mpira("synthetic", *SMALL, "--output", file, ranks=2, code=0)
    assert "checked 58 of 58 finished units\n" in mpira("verify", file, code=0).stdout
    sealed = folder / "sealed.h5ad"
    mpira("seal", file, "--output", sealed, code=0)
    np.testing.assert_array_equal(read_anndata(sealed).X, synthetic_rows(np.arange(400), 5))
    mpira("verify", sealed, code=0)
    mpira("seal", file, "--output", sealed, code=2)  # exists
    mpira("seal", file, "--output", sealed, "--overwrite", code=0)
    with open_h5(file) as handle:
        place = handle["X"].id.get_offset()
    with open(file, "r+b") as raw:
        raw.seek(place + 7 * 5 * 4)  # first value of unit 1
        raw.write(b"\xff\xff\x00\x00")
    bad = mpira("verify", file, code=3)
    assert re.search(r"1 units differ from their checksum: 1\b", bad.stdout), bad
    assert "unit" in mpira("seal", file, "--output", folder / "c.h5ad", code=2).text
    assert not (folder / "c.h5ad").exists()
    with open_h5(sealed) as handle:
        first = handle["X"].id.get_chunk_info(0)
    with open(sealed, "r+b") as raw:  # which no resume repairs
        raw.seek(first.byte_offset + first.size // 2)
        raw.write(bytes(8))
    told = mpira("verify", sealed, code=2)
    assert "can't be repaired" in told.text or "sealed.h5ad" in told.stderr, told
    mpira("synthetic", *SMALL, "--set", "resume.check=all", "--output", file, ranks=2, code=0)
    mpira("verify", file, code=0)


class OnOneCpu(Running):
    """Ranks of which each may use the last CPU only, as a launcher may have bound them; with a shell between, too."""

    def __init__(self, *words, in_a_shell=False, **options):
        self.shell = ["sh", "-c", '"$0" "$@"; exit $?'] if in_a_shell else []
        super().__init__(*words, **options)

    def start(self, *words, ranks):
        words = super().start(*words, ranks=ranks)
        at = words.index(MPIRA)
        return [*words[:at], "taskset", "--cpu-list", str(max(os.sched_getaffinity(0))), *self.shell, *words[at:]]


def plan_and_tables(folder):
    text = mpira("plan", "synthetic", *SMALL, "--ranks", 8, "--ranks-per-node", 4, code=0).stdout
    assert "node-hours" in text and "2 node(s) of 4" in text, text
    text = mpira("plan", "synthetic", "--set", "rows=52272000", "--ranks", 8, "--rate", 1, code=0).stdout
    assert "14,520 core-hours" in text and "1 rows/s a rank" in text and "mpirun" not in text, text
    text = mpira("plan", "synthetic", *SMALL, "--ranks", 8, "--set", "threads=2", code=0).stdout
    assert "threads = 2: a rank for" in text and "--set threads" not in text, text
    # Unless told otherwise nodes are like this one: a rank a core of those that may be used here.
    text = OnOneCpu("plan", "synthetic", *SMALL, "--ranks", 3).wait().stdout
    assert "3 ranks (3 node(s) of 1)" in text and "1 rank a node, each bound to 1 core, 1 thread: a rank a core, where" in text, text
    assert re.search(r"^start +mpi(run|exec) -n 3 .*[ :]1\b.* mpira synthetic \.\.\.$", text, re.M), text
    assert re.search(r"^ +srun --nodes=3 --ntasks-per-node=1 --cpus-per-task=1 .*--cpu-bind=cores mpira synthetic ", text, re.M), text
    assert "synthetic" in mpira("jobs", code=0).stdout
    config = folder / "synthetic.toml"
    config.write_text(mpira("config", "synthetic", code=0).stdout)
    mpira("synthetic", "--config", config, "--set", "rows=40", "--output", folder / "a.h5ad", code=0)
    assert "Open MPI" in mpira("--version", code=0).stdout or "MPI" in mpira("--version", code=0).stdout
    script = mpira("completion", "bash", code=0).stdout
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    for words, offered in ((("export", "--format", "b"), "bedgraph bigwig"), (("split", "--by", ""), "chromosome block homology cell_type")):
        asked = f"COMP_WORDS=(mpira {' '.join(words[:2])} '{words[2]}'); COMP_CWORD=3; _mpira; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(["bash"], input=script + asked, text=True, capture_output=True, check=False)
        assert done.stdout.strip() == offered, done
    assert re.search(r"'export --format'\) compadd -- .*\bbedgraph bigwig\b.*; return ;;", mpira("completion", "zsh", code=0).stdout)
    page = mpira("man", "export", code=0).stdout.splitlines()[0]
    assert re.fullmatch(r'\.TH MPIRA.+EXPORT 1 ".*" "mpira [0-9.]+" "User Commands"', page), page


def the_doctor(folder):
    scratch = folder / "doctor.h5ad"
    result = mpira("doctor", "--output", scratch, ranks=2)
    assert result.returncode == 0, result
    for name in ("ranks", "cores", "devices", "proposal", "all-reduce", "nccl", "write", "read back", "locking"):
        assert re.search(rf"^(ok|warn) +{name} ", result.stdout, re.M), result
    assert re.search(r"^ok +write +1 units by 2 ranks \(1 idle\)", result.stdout, re.M), result
    assert not scratch.exists()
    scratch.write_text("mine")
    started = re.search(r"^ +(mpi(run|exec) .*) mpira \.\.\.\n +(srun .*) mpira \.\.\.$", result.stdout, re.M)
    ranks = int(re.search(r"^ok +proposal +(\d+) ranks? a node, each bound to 1 core, 1 thread: ", result.stdout, re.M)[1])
    assert started and f"--ntasks-per-node={ranks} " in started[3] and f"{ranks}" in started[1], result
    assert mpira("doctor", "--output", scratch).returncode == 2
    assert scratch.read_text() == "mine"
    missing = mpira("doctor", "--output", folder / "nothere" / "d.h5ad", code=2).stdout
    assert "there is no folder" in missing and "read back" not in missing and "locking" not in missing, missing
    # More threads than cores, and ranks that share one although there are others.
    text = mpira("doctor", "--threads", 1000, "--output", folder / "d.h5ad", code=0).stdout
    assert re.search(r"^warn +cores .*\n +\S+: 1 rank of 1000 threads on \d+ cores? slow", text, re.M), text
    if ranks >= 2:
        text = OnOneCpu("doctor", "--output", folder / "d.h5ad", ranks=2).wait().stdout
        assert re.search(r"^warn +cores .* rank 0 may use CPU \d+\n +\S+: 2 ranks of 1 thread bound to 1 core slow", text, re.M), text
        assert f" {ranks} ranks a node" in text, text  # what the launcher may use, not what it left a rank
        text = OnOneCpu("doctor", "--output", folder / "d.h5ad", ranks=1, in_a_shell=True).wait().stdout
        assert "rank 0 may use CPU" in text and f" {ranks} ranks a node" in text, text


def the_bench(folder):
    """Its table and its JSON say the same; which settings are worth choosing is measured, so only their words are known."""
    file = folder / "bench.json"
    text = mpira("bench", "--small", "--seconds", 0.1, "--folder", folder, "--output", file, ranks=2, code=0).stdout
    told = json.loads(file.read_text())
    others = [one["settings"] for one in told["model"]["other_settings"]]
    assert others == re.findall(r"^settings +(\S+) predicts ", text, re.M), text
    assert set(others) <= {"model.products=blas", "model.precision=bf16"} and "model.products=blas" in others, others
    assert all(0 < one["to_default"]["least"] <= one["to_default"]["median"] for one in told["model"]["other_settings"]), told
    assert f"advice    {told['advice']}\n" in text and ("is the fastest here" in text or "are the fastest here" in text), text
    assert [one["by"] for one in told["reduce"]] == ["MPI"] * 3, told


def a_long_run_on_a_login_node_is_told(folder):
    """Where there is sbatch and no job: once the time to go is known, and only when that is long."""
    (folder / "sbatch").write_text("")
    path = f"{folder}:{os.environ['PATH']}"
    long = ["synthetic", *SLOW, "--set", "rows=1000000", "--output", folder / "a.h5ad"]
    run = Running(*long, PATH=path)
    wait_until(lambda: "if it is a login node" in run.output(), what="the hint")
    run.signal(signal.SIGUSR1)
    result = run.wait(20)
    assert result.text.count("has sbatch and this is no batch job") == 1, result
    run = Running(*long, PATH=path, SLURM_JOB_ID=1)
    wait_until(lambda: len(done_units(folder / "a.h5ad")) > 20, what="more units")
    run.signal(signal.SIGUSR1)
    assert "login node" not in run.wait(20).text
    assert "login node" not in mpira("synthetic", *SMALL, "--output", folder / "b.h5ad", code=0, PATH=path).text


def launched_locally(folder):
    """launch/local: ^C or TERM drains, the exit code is the file's, a typing error is told without a wait."""
    script = Path(__file__).resolve().parents[2] / "launch" / "local"
    environment = {"MPIRA": MPIRA, "MPIRA_MPIEXEC": MPIEXEC, "PATH": os.environ["PATH"]}
    file = folder / "a.h5ad"

    def start(*words):
        return subprocess.Popen([script, "--ranks", "2", "--oversubscribe", "synthetic", *map(str, words)], env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)

    run = start(*SLOW, "--output", file)
    wait_until(lambda: len(done_units(file)) > 3, what="first commits")
    run.terminate()
    text = run.communicate(timeout=30)[0]
    assert run.returncode == 3 and "stopped" in text, (run.returncode, text)
    run = start(*SLOW, "--set", "duration.mean_ms=0", "--output", file)
    text = run.communicate(timeout=30)[0]
    assert run.returncode == 0 and "resuming" in text, (run.returncode, text)
    assert status(file)["outcome"] == "done"
    run = start("--set", "rowz=1")
    text = run.communicate(timeout=30)[0]
    assert run.returncode == 2 and "'rows'" in text, (run.returncode, text)


CASES = [same_bytes_at_every_rank_count, more_ranks_than_units, a_finished_campaign_stays_as_it_is,
         a_changed_setting_is_refused_by_name, fresh_and_overwrite, a_signal_stops_and_the_next_start_resumes,
         signals_under_mpirun, one_owner_at_a_time, a_failing_unit_is_set_aside, a_unit_that_fails_once_is_retried,
         a_rank_that_dies_ends_the_job_within_seconds, status_while_it_runs, verify_and_seal, plan_and_tables,
         the_doctor, the_bench, launched_locally, a_long_run_on_a_login_node_is_told]

if __name__ == "__main__":
    assert MPIRA
    run_cases(CASES)
