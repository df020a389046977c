"""Helpers of the tests in Python: start mpira under MPI, kill it, and read what it left.

Environment (set by mpira_add_script_test): MPIRA the binary, MPIRA_MPIEXEC the launcher. ranks=0 starts the binary
without a launcher.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import h5py
import numpy as np

MPIRA = os.environ.get("MPIRA", "build/release/bin/mpira")
MPIEXEC = os.environ.get("MPIRA_MPIEXEC", "mpirun")

# What a run leaves for itself; its bytes tell of timings and hosts and may differ between equal results.
BOOKKEEPING = ("uns/mpira/journal", "uns/mpira/owner")


def command_line(*words, ranks=0):
    words = [str(word) for word in words]
    return [MPIRA, *words] if ranks == 0 else [MPIEXEC, "-n", str(ranks), MPIRA, *words]


# As config/cmake/MpiraTest.cmake sets it, so that a script also runs by hand.
DEFAULT_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
                       "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_ALLOW_RUN_AS_ROOT": "1",
                       "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def environment(ranks, **extra):
    env = DEFAULT_ENVIRONMENT | dict(os.environ)
    # mpirun sits out twice this time, in seconds, after every exit code but 0
    env["OMPI_MCA_odls_base_sigkill_timeout"] = "1"
    env.update({key: str(value) for key, value in extra.items()})
    env.pop("MPIRA_EXPECTED_RANKS", None)
    if ranks > 0:
        env["MPIRA_EXPECTED_RANKS"] = str(ranks)
    return env


class Result:
    """Exit code and output of a finished run. Never with an HDF5 error stack in it."""

    def __init__(self, words, returncode, stdout, stderr, seconds):
        self.words, self.returncode, self.stdout, self.stderr, self.seconds = words, returncode, stdout, stderr, seconds
        assert "HDF5-DIAG" not in stdout + stderr, f"HDF5 error stack printed:\n{self}"

    @property
    def text(self):
        return self.stdout + self.stderr

    def __str__(self):
        return f"$ {' '.join(self.words)}\nexit code {self.returncode}\n{self.stdout}{self.stderr}"


class Running:
    """A run that goes on in the background, in a session of its own."""

    alive = []  # those not waited for: run_cases ends them when a case fails

    def __init__(self, *words, ranks=0, **extra):
        self.words = self.start(*words, ranks=ranks)
        self.ranks = ranks
        self.folder = tempfile.mkdtemp(prefix="mpira-run-")
        self.out = open(Path(self.folder) / "stdout", "wb")
        self.err = open(Path(self.folder) / "stderr", "wb")
        extra.setdefault("OMPI_MCA_orte_tmpdir_base", self.folder)  # see mpira_mpi_environment in MpiraTest.cmake
        self.begin = time.monotonic()
        self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err,
                                        env=environment(ranks, **extra), start_new_session=True)
        Running.alive.append(self)

    def start(self, *words, ranks):
        return command_line(*words, ranks=ranks)

    def pids_of(self, program):
        return [pid for pid in descendants(self.process.pid) if executable(pid) == os.path.realpath(program)]

    def rank_pids(self):
        """Process numbers of the ranks: the launcher's descendants that run the binary."""
        return [self.process.pid] if self.ranks == 0 else self.pids_of(MPIRA)

    def output(self):
        return "".join((Path(self.folder) / name).read_text(errors="replace") for name in ("stdout", "stderr"))

    def signal(self, number):
        self.process.send_signal(number)

    def kill_all(self):
        """kill -9 of launcher and ranks at once."""
        pids = [*descendants(self.process.pid), self.process.pid]
        for pid in pids:
            kill(pid)

    def wait(self, timeout=60):
        Running.alive.remove(self)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_all()
            self.process.wait()
            raise AssertionError(f"not over after {timeout} s: {' '.join(self.words)}\n{self.output()}") from None
        finally:
            self.out.close()
            self.err.close()
        texts = [(Path(self.folder) / name).read_text(errors="replace") for name in ("stdout", "stderr")]
        shutil.rmtree(self.folder)
        return Result(self.words, self.process.returncode, *texts, time.monotonic() - self.begin)


def mpira(*words, ranks=0, timeout=60, code=None, **extra):
    """Runs to the end. `code`: the exit code it must have."""
    if code == 2:  # all ranks leave together, nothing is to be drained: mpirun need not wait for it
        extra.setdefault("OMPI_MCA_odls_base_sigkill_timeout", 0)
    result = Running(*words, ranks=ranks, **extra).wait(timeout)
    assert code is None or result.returncode == code, f"expected exit code {code}:\n{result}"
    return result


def status(file):
    return json.loads(mpira("status", file, "--json", code=0).stdout)


# ---- processes


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def executable(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return ""


def descendants(pid):
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def wait_until(condition, timeout=30, what="condition"):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {timeout} s in vain: {what}")


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_and_resume(words, file, *, chance, kills, ranks, more=(1, 1), ready=lambda: True, wait_s=0.0, one_rank=False,
                    timeout=30, check=lambda done, data: None):
    """Starts the command, which writes `file`, again and again and kill -9s it. Returns how many units were done after
    each kill: fewer numbers than `kills` when a run came to its end before.

    ranks: rank counts to draw from, never the same twice running. A run is killed once it has committed units drawn
    from `more` and ready() holds, after up to wait_s seconds; with one_rank a rank dies, else launcher and ranks at
    once. After each kill every rank is gone, no committed unit is lost, anndata opens the file, and check(units done,
    what anndata read) passes. chance: the random.Random of all draws.
    """
    done, counts, ranks_before, too_late = set(), [], 0, 0
    while len(counts) < kills:
        ranks_before = chance.choice([n for n in ranks if n != ranks_before] or ranks)
        run = Running(*words, ranks=ranks_before)
        goal = len(done) + chance.randint(*more)
        committed = set()

        def due():
            nonlocal committed
            committed = done_units(file)
            return (len(committed) >= goal and ready()) or run.process.poll() is not None

        wait_until(due, timeout, f"commits after {len(counts)} kills")
        if wait_s > 0:
            time.sleep(chance.random() * wait_s)
            committed = done_units(file)
        pids = run.rank_pids()  # nothing slow from here to the kill: a short run would be over
        if len(pids) < ranks_before:  # at its end, or over
            result = run.wait()
            assert result.returncode == 0, result
            break
        if one_rank:
            kill(chance.choice(pids))
        else:
            run.kill_all()
        result = run.wait(30)
        assert result.returncode != 0, result
        wait_until(lambda: not any(alive(pid) for pid in pids), 30, "the other ranks' end")
        done = done_units(file)
        assert committed <= done, f"committed units were lost: {sorted(committed - done)}"
        check(done, read_anndata(file))
        if not counts and len(done) == len(journal(file)):  # on a busy machine; it shows nothing
            too_late += 1
            assert too_late < 5, f"the first kill always came after the last of {len(done)} units"
            file.unlink()
            done = set()
            continue
        counts.append(len(done))
    return counts


# ---- result files


def open_h5(file):
    return h5py.File(file, "r", locking=False)


def contents(file):
    """Path -> (dtype, shape, bytes) of every dataset but the bookkeeping, and path -> attributes of every object."""
    data = {}

    def visit(path, node):
        attributes = {name: str(value) for name, value in node.attrs.items()}
        if isinstance(node, h5py.Dataset) and path not in BOOKKEEPING:
            value = node[()]
            raw = value.tobytes() if isinstance(value, np.ndarray) and value.dtype != object else repr(
                value.tolist() if isinstance(value, np.ndarray) else value)
            data[path] = (str(node.dtype), node.shape, raw, attributes)
        else:
            data[path] = attributes

    with open_h5(file) as handle:
        handle.visititems(visit)
    return data


def assert_equal_results(one, other):
    left, right = contents(one), contents(other)
    assert left.keys() == right.keys(), f"other datasets: {sorted(left.keys() ^ right.keys())}"
    different = [path for path in left if left[path] != right[path]]
    assert not different, f"{one} and {other} differ in {different}"


JOURNAL_ROW = np.dtype([("magic", "<u4"), ("crc", "<u4"), ("unit", "<u8"), ("data_crc", "<u4"), ("attempt", "<u2"),
                        ("state", "u1"), ("blame", "u1"), ("seconds", "<f8"), ("finished_ms", "<i8"),
                        ("machine", "S40"), ("error", "S48")])
DONE = 2


def journal(file):
    with open_h5(file) as handle:
        rows = handle["uns/mpira/journal"][()]
    return np.ascontiguousarray(rows).view(JOURNAL_ROW).reshape(-1)


def done_units(file):
    """Units whose journal row says done, as a set; empty when there is no file yet."""
    try:
        return set(np.flatnonzero(journal(file)["state"] == DONE).tolist())
    except (OSError, KeyError):
        return set()


def read_anndata(file):
    """anndata.read_h5ad, any warning of which is an error."""
    import anndata

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return anndata.read_h5ad(file)


# ---- the synthetic job, recomputed


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011) over arrays: counter (n, 4), key (2,)."""
    c = [counter[:, i].astype(np.uint64) for i in range(4)]
    k0, k1 = int(key[0]), int(key[1])
    mask = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), b & mask, (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k1),
             a & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=1)


def synthetic_rows(rows, columns, seed=1):
    """X of the synthetic job for these row numbers: draw i of row r has key seed and counter (i / 2, 6, r, 0)."""
    rows = np.asarray(rows, dtype=np.uint64)
    blocks = (columns + 1) // 2
    counter = np.zeros((len(rows) * blocks, 4), dtype=np.uint64)
    counter[:, 0] = np.tile(np.arange(blocks, dtype=np.uint64), len(rows))
    counter[:, 1] = 6
    counter[:, 2] = np.repeat(rows, blocks)
    words = philox(counter, (seed & 0xFFFFFFFF, seed >> 32)).reshape(len(rows), blocks, 4)
    draws = np.empty((len(rows), blocks, 2), dtype=np.uint64)
    draws[:, :, 0] = words[:, :, 0] | (words[:, :, 1] << np.uint64(32))
    draws[:, :, 1] = words[:, :, 2] | (words[:, :, 3] << np.uint64(32))
    values = (draws.reshape(len(rows), -1)[:, :columns] >> np.uint64(40)).astype(np.float32)
    return values * np.float32(2.0**-24)


# ---- running


def run_cases(cases, argv=None):
    """Runs the functions of a test file, or those named on the command line; each gets an empty folder.

    --part=1/2: every second one, so that ctest can run a file that mostly waits in two entries side by side.
    """
    chosen = [name for name in (argv or sys.argv[1:]) if not name.startswith("--")]
    part, parts = map(int, option("part", "1/1").split("/"))
    cases = cases[part - 1::parts]
    failed = []
    for case in cases:
        if chosen and case.__name__ not in chosen:
            continue
        begin = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mpira-test-") as folder:
            try:
                case(Path(folder))
                verdict = "ok"
            except Exception as error:  # every case is told, then the script fails
                import traceback

                traceback.print_exc()
                failed.append(case.__name__)
                verdict = f"FAILED: {type(error).__name__}"
            for run in list(Running.alive):
                run.kill_all()
                print(run.wait())
        print(f"{case.__name__:<50} {verdict} ({time.monotonic() - begin:.1f} s)", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def option(name, default):
    """--name=value on the command line, of the default's type."""
    for word in sys.argv[1:]:
        if match := re.fullmatch(rf"--{name}=(.*)", word):
            return type(default)(match.group(1))
    return default
