"""Faults of the place: a disk that fills, a read-only folder, a result or an input that vanishes, an old rank beside a
new run, links left in the way; and how soon a job ends when a rank dies, and what it says.

Runs in a mount namespace of its own where the machine allows one; the two cases that need it say so where not.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

from mpira_test import (MPIEXEC, MPIRA, Running, assert_equal_results, done_units, kill, mpira, open_h5, run_cases, status,
                        wait_until)

BASE = ["--set", "rows=600", "--set", "columns=50", "--set", "rows_per_unit=10", "--set", "duration.sigma=0", "--set",
        "commit.seconds=0.1"]
SLOW = [*BASE, "--set", "duration.mean_ms=100"]
FAST = [*BASE, "--set", "duration.mean_ms=0"]
LAUNCH = Path(__file__).resolve().parents[2] / "launch"


def reference(folder):
    file = folder / "reference.h5ad"
    if not file.exists():
        mpira("synthetic", *FAST, "--output", file, code=0)
    return file


def mounts():
    if os.environ.get("MPIRA_MOUNTS") == "yes":
        return True
    print("  not tried: this machine allows no mounts (unshare -m)")
    return False


@contextlib.contextmanager
def mounted(place, *steps):
    """Each step the words of a `mount`; taken back at the end, so that the case's folder can be removed."""
    try:
        for words in steps:
            subprocess.run(["mount", *words, place], check=True)
        yield place
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", place], check=True)


def a_disk_that_fills(folder):
    """Met at the start where it can be foreseen, else by an error that names the file; space again, and it goes on."""
    if not mounts():
        return
    disk = folder / "disk"
    disk.mkdir()
    with mounted(disk, ["-t", "tmpfs", "-o", "size=1m", "mpira-test"]):
        file = disk / "a.h5ad"
        refused = mpira("synthetic", *SLOW, "--set", "rows=60000", "--output", file, ranks=2, code=2)
        assert "1.0 MiB" in refused.text and "free some space" in refused.text and not any(disk.iterdir()), refused
        run = Running("synthetic", *SLOW, "--no-reserve", "--output", file, ranks=2)
        wait_until(lambda: len(done_units(file)) > 3, what="first commits")
        filler = disk / "somebody else's"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as out:
            while out.write(bytes(4096)):
                pass
        result = run.wait(60)
        assert result.returncode == 1, result
        assert re.search(r"rank \d on \S+: \S*a\.h5ad: No space left on device while writing .*run again to resume",
                         result.text), result
        committed = done_units(file)
        assert 3 < len(committed) < 60, committed
        filler.unlink()
        mpira("synthetic", *FAST, "--output", file, ranks=3, code=0)
        assert_equal_results(reference(folder), file)


def a_read_only_folder(folder):
    if not mounts():
        return
    place = folder / "place"
    place.mkdir()
    file = place / "a.h5ad"
    mpira("synthetic", *FAST, "--output", file, code=0)
    with mounted(place, ["--bind", place], ["-o", "remount,bind,ro"]):
        for ranks in (0, 2):
            refused = mpira("synthetic", *FAST, "--output", place / "new.h5ad", ranks=ranks, code=2)
            assert f"folder {place} can't be written to" in refused.text, refused
        refused = mpira("synthetic", *FAST, "--output", file, ranks=2, code=2)
        assert f"folder {place} can't be written to" in refused.text, refused
        assert status(file)["outcome"] == "done"
        mpira("verify", file, code=0)
        mpira("seal", file, "--output", folder / "sealed.h5ad", code=0)


def what_vanishes(folder):
    """An input before the start, the result while it is written."""
    for ranks in (0, 2):
        refused = mpira("synthetic", *FAST, "--set", f"input={folder}/gone.txt", "--output", folder / "x.h5ad", ranks=ranks, code=2)
        assert "gone.txt" in refused.text and not (folder / "x.h5ad").exists(), refused
    file, moved = folder / "a.h5ad", folder / "moved.h5ad"
    run = Running("synthetic", *SLOW, "--set", "duration.mean_ms=1000", "--output", file, ranks=2)
    wait_until(lambda: done_units(file), what="a first commit")
    file.rename(moved)
    result = run.wait(60)
    assert result.returncode == 1 and result.seconds < 25, result
    assert re.search(r"rank 0 on \S+: \S*a\.h5ad was deleted or renamed while this run was writing it", result.text), result
    moved.rename(file)
    assert done_units(file)
    mpira("synthetic", *FAST, "--output", file, ranks=3, code=0)
    assert_equal_results(reference(folder), file)


def edit_owner(file, **fields):
    """Rewrites fields of the owner record as another machine would have written them."""
    with open_h5(file) as handle:
        place = handle["uns/mpira/owner"].id.get_offset()
    with open(file, "r+b") as raw:
        raw.seek(place)
        record = json.loads(raw.read(508).rstrip(b"\0"))
        text = json.dumps(record | fields).encode().ljust(508, b"\0")
        raw.seek(place)
        raw.write(text + zlib.crc32(text).to_bytes(4, "little"))


def an_old_run_beside_the_new_one(folder):
    """Split brain: a run that was cut off, taken for dead and taken over comes back and writes, until it notices."""
    file = folder / "a.h5ad"
    old = Running("synthetic", *SLOW, "--output", file)
    wait_until(lambda: len(done_units(file)) > 3, what="first commits")
    old.signal(signal.SIGSTOP)
    before = done_units(file)
    edit_owner(file, host="elsewhere", heartbeat_ms=int(1000 * (time.time() - 61)))
    new = Running("synthetic", *SLOW, "--output", file, ranks=2)
    wait_until(lambda: len(done_units(file)) > len(before) + 3, what="the new run's commits")
    old.signal(signal.SIGCONT)
    result = old.wait(30)
    assert result.returncode == 1 and "has been taken over by" in result.text, result
    assert "taken over from" in (text := new.output()) and "elsewhere" in text, text
    result = new.wait(60)
    assert result.returncode == 0, result
    assert_equal_results(reference(folder), file)
    mpira("verify", file, code=0)


def files_are_ours_alone_and_links_lead_nowhere(folder):
    """Mode 0640; what stands at a name of ours but was not named by the user is not followed."""
    precious = folder / "precious"
    precious.write_text("mine")
    place = folder / "place"
    place.mkdir()
    file = place / "a.h5ad"
    flight, log = Path(f"{file}.flight"), Path(f"{file}.runs.log")
    flight.symlink_to(precious)
    umask = os.umask(0)
    try:
        mpira("synthetic", *FAST, "--output", file, ranks=2, code=0)
        mpira("seal", file, "--output", place / "sealed.h5ad", code=0)
        mpira("export", file, "--format", "tsv", "--output", place / "a.tsv.gz", code=0)
        environment = {"MPIRA": MPIRA, "MPIRA_MPIEXEC": MPIEXEC, "PATH": os.environ["PATH"]}
        campaign = [LAUNCH / "campaign", "--ranks", "1", "synthetic", *FAST, "--output", file]
        subprocess.run(campaign, env=environment, check=True, capture_output=True, timeout=60)
        for one in place.iterdir():
            assert one.stat().st_mode & 0o777 == 0o640, (one, oct(one.stat().st_mode))
        log.unlink()
        log.symlink_to(precious)
        refused = subprocess.run(campaign, env=environment, check=False, capture_output=True, text=True, timeout=60)
        assert refused.returncode == 2 and "is a link" in refused.stderr, refused
    finally:
        os.umask(umask)
    assert precious.read_text() == "mine"
    # A link in the output's own place: nothing is made through one that leads nowhere; --overwrite renames the link.
    link = place / "link.h5ad"
    link.symlink_to(folder / "nothing.h5ad")
    refused = mpira("synthetic", *FAST, "--output", link, code=2)
    assert "exists" in refused.text and not (folder / "nothing.h5ad").exists(), refused
    link.unlink()
    link.symlink_to(precious)
    mpira("synthetic", *FAST, "--fresh", "--overwrite", "--output", link, code=0)
    assert precious.read_text() == "mine" and not link.is_symlink() and (place / "link.h5ad.old").is_symlink()


def a_rank_that_dies_is_named(folder):
    """By the launcher, by launch/local, and by `status` afterwards; the job is over within 10 s."""
    host = socket.gethostname()
    file = folder / "a.h5ad"
    run = Running("synthetic", *SLOW, "--output", file, ranks=3)
    wait_until(lambda: len(done_units(file)) > 3, what="first commits")
    pids = run.rank_pids()
    begin = time.monotonic()
    kill(pids[1])
    result = run.wait(30)
    seconds = time.monotonic() - begin
    assert result.returncode != 0 and seconds < 10, (seconds, result)
    assert re.search(rf"process rank \d with PID \d+ on node {host} exited on\s+signal 9", result.text), result
    now = wait_until(lambda: (now := status(file))["outcome"] == "partial" and now, 10, "the owner's end")
    assert re.search(rf"rank \d on {host}: vanished without a word", now["death"]), now
    environment = {"MPIRA": MPIRA, "MPIRA_MPIEXEC": MPIEXEC, "PATH": os.environ["PATH"]}
    begin = time.monotonic()
    local = subprocess.run([LAUNCH / "local", "--ranks", "2", "--oversubscribe", "synthetic", *SLOW, "--set", "fail.crash=30",
                            "--output", folder / "b.h5ad"], env=environment, check=False, capture_output=True, text=True, timeout=60)
    assert local.returncode == 3, local
    assert re.search(rf"launch/local: rank \d on {host}: Segmentation fault \(signal 11\) in unit 30", local.stderr), local
    print(f"  a killed rank: over after {seconds:.1f} s")


def looked_at_from_outside(folder):
    """status, verify and seal alone and under mpirun, where one speaks for all; status of a run does not disturb it."""
    file = folder / "a.h5ad"
    run = Running("synthetic", *SLOW, "--set", "duration.mean_ms=300", "--output", file, ranks=2)
    wait_until(lambda: done_units(file), what="a first commit")
    looks = 0
    while run.process.poll() is None and looks < 6:
        now = mpira("status", file, "--json", ranks=looks % 3, code=0).stdout
        assert json.loads(now)["outcome"] in ("running", "done"), now
        looks += 1
    assert looks >= 2
    assert run.wait(60).returncode == 0
    assert_equal_results(reference(folder), file)
    for ranks in (0, 2):
        assert mpira("verify", file, ranks=ranks, code=0).stdout.count("every checksum holds") == 1
        sealed = folder / f"sealed{ranks}.h5ad"
        assert mpira("seal", file, "--output", sealed, ranks=ranks, code=0).stdout.count("rows and journal verified") == 1
        assert mpira("status", file, ranks=ranks, code=0).stdout.count("of 60 done") == 1
        assert "no_such" in mpira("status", folder / "no_such.h5ad", ranks=ranks, code=2).text
        doctor = mpira("doctor", "--output", folder / "doctor.h5ad", ranks=ranks, code=0).stdout
        assert doctor.count("this place can run mpira") == 1 and re.search(r"^ok +nccl ", doctor, re.M), doctor


CASES = [a_disk_that_fills, a_read_only_folder, what_vanishes, an_old_run_beside_the_new_one,
         files_are_ours_alone_and_links_lead_nowhere, a_rank_that_dies_is_named, looked_at_from_outside]


def in_own_mounts():
    """Starts this script again where it may mount; returns where that can't be had."""
    for how in (["unshare", "-m"], ["unshare", "-rm"]):
        probe = [*how, "sh", "-c", "mount -t tmpfs -o size=1m mpira-test /mnt"]
        try:
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                os.execvpe(how[0], [*how, sys.executable, *sys.argv], os.environ | {"MPIRA_MOUNTS": "yes"})
        except OSError:
            pass
    os.environ["MPIRA_MOUNTS"] = "no"


if __name__ == "__main__":
    if "MPIRA_MOUNTS" not in os.environ:
        in_own_mounts()
    run_cases(CASES)
