"""Wrong inputs: each ends with exit code 2 and a message that names the culprit, without an HDF5 error stack, without
a result under the final name. A row: name, a function of the folder that prepares files and returns the command's
words, and what the message must hold (all of them)."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np

from mpira_test import MPIRA, Running, done_units, kill, mpira, option, wait_until

ROWS = ["--set", "rows=60", "--set", "rows_per_unit=10", "--set", "columns=3", "--set", "duration.mean_ms=0"]


def synthetic(toml=None, *words, output="out.h5ad"):
    """A synthetic run with this settings file."""

    def prepare(folder):
        line = ["synthetic"]
        if toml is not None:
            (folder / "run.toml").write_text(toml)
            line += ["--config", folder / "run.toml"]
        return [*line, *words, *(["--output", folder / output] if output else [])]

    return prepare


def with_file(make, *words):
    """A synthetic run whose result file exists already: make(path) left it there."""

    def prepare(folder):
        file = folder / "out.h5ad"
        make(file)
        return ["synthetic", *ROWS, *words, "--output", file]

    return prepare


def finished(file):
    mpira("synthetic", *ROWS, "--output", file, code=0)


def truncated(file):
    finished(file)
    with open(file, "r+b") as raw:
        raw.truncate(file.stat().st_size // 2)


def as_tsv(folder):
    return ["--format", "tsv", "--output", folder / "out.tsv"]


def from_python(file):
    import anndata

    anndata.AnnData(np.ones((3, 2), dtype=np.float32)).write_h5ad(file)


def sealed(file):
    finished(file)
    mpira("seal", file, "--output", file.with_name("sealed.h5ad"), code=0)
    file.with_name("sealed.h5ad").rename(file)


def on_file(command, make, name="out.h5ad"):
    def prepare(folder):
        file = folder / name
        make(file)
        return [command, file]

    return prepare


def onto_itself(command, *words):
    """An input that would be renamed or replaced by what is made of it."""

    def prepare(folder):
        finished(folder / "out.h5ad")
        return [command, folder / "out.h5ad", *words, "--output", folder / "out.h5ad", "--overwrite"]

    return prepare


def output_is_input(folder):
    finished(folder / "out.h5ad")
    return ["synthetic", *ROWS, "--set", f"input={folder / 'out.h5ad'}", "--fresh", "--overwrite", "--output",
            folder / "out.h5ad"]


def over(make, *words):
    """A table over what is no file: never put aside, and a pipe isn't waited on."""

    def prepare(folder):
        finished(folder / "in.h5ad")
        make(folder / "out")
        return ["export", folder / "in.h5ad", "--format", "tsv", "--output", folder / "out", *words]

    return prepare


def result_over_pipe(folder):
    os.mkfifo(folder / "out.h5ad")
    return ["synthetic", *ROWS, "--output", folder / "out.h5ad"]


def over_its_own_folder(folder):
    finished(folder / "out.h5ad")
    return ["split", "--by", "chromosome", "--atlas", folder / "out.h5ad", "--output", f"{folder}/", "--overwrite"]


def evaluation_over_its_own_folder(folder):
    return ["evaluate", "no.h5ad", "--measured", over_its_own_folder(folder)[4], "--output", folder, "--overwrite"]


BENCH = ["--small", "--seconds", "0.1"]


def bench_over(folder):
    (folder / "mine").write_text("mine")
    (folder / "bench.json").symlink_to(folder / "mine")
    return ["bench", *BENCH, "--folder", folder, "--output", folder / "bench.json"]


def full_disk(folder):
    """More than the disk has: refused before anything is written."""
    free = shutil.disk_usage(folder).free
    rows = int(free * 1.5) // (4 * 100000)
    return ["synthetic", "--set", f"rows={rows}", "--set", "columns=100000", "--set", "rows_per_unit=1000", "--output",
            folder / "out.h5ad"]


def unreadable(folder):
    (folder / "run.toml").write_bytes(b"seed = 1\n\xff\xfe\n")
    return ["synthetic", "--config", folder / "run.toml", "--output", folder / "out.h5ad"]


CASES = [
    # the command line
    ("no command", lambda folder: [], ["which command"]),
    ("unknown command", lambda folder: ["synthetik"], ["synthetik", "'synthetic'"]),
    ("unknown option", lambda folder: ["synthetic", "--confg", "x"], ["--confg", "'--config'"]),
    ("option without value", lambda folder: ["synthetic", "--config"], ["--config"]),
    ("overwrite alone", lambda folder: ["synthetic", *ROWS, "--overwrite"], ["--overwrite", "--fresh"]),
    ("config of an unknown job", lambda folder: ["config", "synthetc"], ["synthetc", "'synthetic'"]),
    ("plan of an unknown job", lambda folder: ["plan", "nothing"], ["nothing", "mpira jobs"]),
    ("ranks are no number", lambda folder: ["simulate", "--ranks", "4,x"], ["--ranks", "x"]),
    ("help of an unknown command", lambda folder: ["benhc", "--help"], ["no command 'benhc'"]),
    ("plan of train", lambda folder: ["plan", "train"], ["no plan of train", "mpira config train"]),
    ("plan of folds without an atlas", lambda folder: ["plan", "folds"], ["atlas"]),
    ("as many deaths as ranks", lambda folder: ["simulate", "--ranks", "8,4", "--survivors-go-on", "--deaths", "4"], ["--deaths 4", "at most 3"]),
    # settings
    ("config is missing", lambda folder: ["synthetic", "--config", folder / "no.toml"], ["no.toml", "no such file"]),
    ("config is a folder", lambda folder: ["synthetic", "--config", folder], ["is a folder"]),
    ("syntax error", synthetic("seed = 1\nrows = = 2\n"), ["run.toml:2:"]),
    ("unclosed list", synthetic("seed = 1\n[fail]\nalways = [\"1\"\n"), ["run.toml:"]),
    ("key twice", synthetic("seed = 1\nrows = 2\nseed = 2\n"), ["run.toml:3:", "seed"]),
    ("not UTF-8", unreadable, ["run.toml:", "utf-8"]),
    ("unknown key", synthetic("seed = 1\nrowz = 2\n"), ["run.toml", "line 2", "rowz", "'rows'"]),
    ("unknown key in a table", synthetic("[duration]\nmean = 2\n"), ["line 2", "duration.mean", "'duration.mean_ms'"]),
    ("table in place of a key", synthetic("[rows]\nseed = 2\n"), ["line 2", "rows.seed", "'rows'"]),
    ("key in place of a table", synthetic("duration = 2\n"), ["line 1", "duration", "'duration.mean_ms'"]),
    ("text for a number", synthetic("rows = \"many\"\n"), ["line 1", "rows", "an integer"]),
    ("fraction for an integer", synthetic("rows = 2.5\n"), ["line 1", "rows", "an integer"]),
    ("date for a number", synthetic("rows = 1979-05-27\n"), ["line 1", "rows"]),
    ("number out of range", synthetic("rows = 0\n"), ["line 1", "rows", "out of range", "from 1"]),
    ("not a number", synthetic("[duration]\nmean_ms = nan\n"), ["line 2", "duration.mean_ms", "out of range"]),
    ("no such choice", synthetic("[duration]\nkind = \"slep\"\n"), ["line 2", "duration.kind", "'sleep'"]),
    ("list with a fraction", synthetic("[fail]\nalways = [1.5]\n"), ["fail.always", "'1.5' is no unit number"]),
    ("list with a flag", synthetic("[fail]\nalways = [true]\n"), ["line 2", "fail.always", "texts or numbers"]),
    ("no unit number", synthetic("[fail]\nalways = [\"x\"]\n"), ["fail.always", "'x'"]),
    ("--set without value", synthetic(None, "--set", "rows"), ["--set rows", "key.path=value"]),
    ("--set of an unknown key", synthetic(None, "--set", "row=1"), ["--set", "'row", "'rows'"]),
    ("--set of a wrong value", synthetic(None, "--set", "rows=lots"), ["rows", "--set", "an integer"]),
    ("--set of what a job refuses", synthetic("seed = 1\n", *ROWS, "--set", "fail.always=x"), ["mpira: --set fail.always: "]),
    ("--set of a broken list", synthetic(None, "--set", "fail.always=[a]"), ["--set fail.always=[a]", "fail.always=a,b"]),
    ("key without its table", synthetic("mean_ms = 2\n"), ["line 1", "'duration.mean_ms'"]),
    ("input is missing", synthetic("input = \"no/such\"\n", *ROWS), ["no/such"]),
    # where the result goes
    ("no output", synthetic(None, *ROWS, output=None), ["output", "--output"]),
    ("output in a missing folder", synthetic(None, *ROWS, output="no/out.h5ad"), ["out.h5ad", "no folder"]),
    ("output is a folder", lambda folder: ["synthetic", *ROWS, "--output", folder], ["is a folder"]),
    ("output of another kind", synthetic(None, *ROWS, output="out.csv"), ["out.csv", ".h5ad"]),
    ("more than the disk holds", full_disk, ["out.h5ad", "free"]),
    # a result file that is not ours to go on with
    ("other seed", with_file(finished, "--set", "seed=2"), ["out.h5ad", "seed", "1", "2"]),
    ("other number of rows", with_file(finished, "--set", "rows=70"), ["out.h5ad", "rows", "60", "70"]),
    ("fresh without overwrite", with_file(finished, "--fresh"), ["out.h5ad", "--overwrite"]),
    ("no HDF5 file", with_file(lambda file: file.write_text("a,b\n1,2\n" * 1000)), ["out.h5ad"]),
    ("empty file", with_file(lambda file: file.write_bytes(b"")), ["out.h5ad", "--fresh --overwrite begins anew"]),
    ("truncated file", with_file(truncated), ["out.h5ad", "--fresh --overwrite begins anew"]),
    ("AnnData of someone else", with_file(from_python), ["out.h5ad"]),
    ("HDF5 of someone else", with_file(lambda file: h5py.File(file, "w").close()), ["out.h5ad"]),
    ("sealed file", with_file(sealed, "--set", "seed=1"), ["out.h5ad", "sealed"]),
    # looking at files
    ("status of nothing", lambda folder: ["status", folder / "no.h5ad"], ["no.h5ad"]),
    ("status of a folder", lambda folder: ["status", folder], [""]),
    ("status of a text", on_file("status", lambda file: file.write_text("x" * 5000)), ["out.h5ad"]),
    ("status of a truncated file", on_file("status", truncated), ["out.h5ad"]),
    ("status of a renamed text", on_file("status", lambda file: file.write_text(">a\nACGT\n"), "w.safetensors"), ["w.safetensors"]),
    ("status of empty weights", on_file("status", lambda file: file.write_bytes(b""), "w.safetensors"), ["w.safetensors"]),
    ("verify of someone else's", on_file("verify", from_python), ["out.h5ad"]),
    ("verify of a truncated file", on_file("verify", truncated), ["out.h5ad"]),
    ("seal of nothing", lambda folder: ["seal", folder / "no.h5ad"], ["no.h5ad"]),
    ("export of nothing", lambda folder: ["export", folder / "no.h5ad", *as_tsv(folder)], ["no.h5ad"]),
    ("export of a truncated file",
     lambda folder: [*on_file("export", truncated)(folder), *as_tsv(folder)], ["out.h5ad"]),
    ("export of someone else's",
     lambda folder: [*on_file("export", from_python)(folder), *as_tsv(folder)], ["out.h5ad"]),
    ("export to a format that isn't", lambda folder: ["export", folder / "no.h5ad", "--format", "csv", "--output", "x"],
     ["--format", "csv", "tsv"]),
    ("seal onto itself", onto_itself("seal"), ["out.h5ad", "read here"]),
    ("export onto itself", onto_itself("export", "--format", "tsv"), ["out.h5ad", "read here"]),
    ("the output is an input", output_is_input, ["input", "out.h5ad", "can't be the output"]),
    ("a file over a folder", over(lambda path: path.mkdir(), "--overwrite"), ["out is a folder; name a file"]),
    ("a file over a link to a folder", over(lambda path: path.symlink_to("."), "--overwrite"), ["out is a folder"]),
    ("a file over a pipe", over(os.mkfifo, "--overwrite"), ["out is a device or pipe; name a file"]),
    ("a file over a device", lambda folder: [*over(lambda path: None)(folder)[:-1], "/dev/null"], ["/dev/null is a device"]),
    ("a result over a pipe", result_over_pipe, ["out.h5ad is a device or pipe"]),
    ("fold files over the folder of the atlas", over_its_own_folder, ["is a folder that holds", "out.h5ad"]),
    ("an evaluation over the folder of the table", evaluation_over_its_own_folder, ["is a folder that holds", "out.h5ad"]),
    ("bench over a file", bench_over, ["bench.json", "--overwrite"]),
    ("bench into no folder", lambda folder: ["bench", *BENCH, "--folder", folder, "--output", folder / "no" / "b.json"], ["no folder"]),
    ("bench in no folder", lambda folder: ["bench", *BENCH, "--folder", folder / "no"], ["can't be made (No such file"]),
    ("doctor in a missing folder", lambda folder: ["doctor", "--output", folder / "no" / "d.h5ad"], ["no"]),
]


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(folder, prepare, fragments, ranks):
    words = prepare(folder)
    before = snapshot(folder)
    result = mpira(*words, ranks=ranks, timeout=60, code=2)
    for fragment in fragments:
        assert fragment in result.text, f"'{fragment}' is not in:\n{result}"
    said = [line for line in result.stderr.splitlines() if line.startswith("mpira")]
    if ranks == 0 and words and words[0] != "doctor":
        assert len(said) == 1, f"one line, once:\n{result}"
        assert result.stderr.splitlines()[-1] == said[0], f"the error stands last:\n{result}"
    after = snapshot(folder)
    assert after == before, f"files changed: {sorted(str(p) for p in before.keys() ^ after.keys())}\n{result}"


def check_silence():
    """Under a launcher the first process speaks and fails; one that fails earlier would have it killed unheard."""
    for words in (["synthetik"], ["synthetic", "--confg", "x"]):
        other = mpira(*words, OMPI_COMM_WORLD_RANK=1, code=0)
        assert other.text == "", other
        first = mpira(*words, OMPI_COMM_WORLD_RANK=0, code=2)
        assert any(word in first.text for word in words[-2:]), first


def check_full_output():
    """A full disk under `mpira config lentimpra > lentimpra.toml` is told, and no cut file passes for a whole one."""
    for words in (["config", "lentimpra"], ["man"], ["--help"]):
        with open("/dev/full", "w") as full:
            ended = subprocess.run([MPIRA, *words], stdout=full, stderr=subprocess.PIPE, text=True)
        assert ended.returncode == 1 and "No space left on device" in ended.stderr, ended


def main():
    import tempfile
    from pathlib import Path

    def run(name, prepare, fragments, ranks):
        with tempfile.TemporaryDirectory(prefix="mpira-bad-") as folder:
            try:
                check(Path(folder), prepare, fragments, ranks)
            except Exception as error:
                failed.append(name)
                print(f"FAILED {name} ({ranks} ranks): {error}", flush=True)

    check_silence()
    check_full_output()
    failed = []
    with ThreadPoolExecutor(2) as pool:  # they wait for processes
        for i, (name, prepare, fragments) in enumerate(CASES):
            if option("only", "") not in name:
                continue
            # every eighth also under a launcher: said once, and every rank leaves
            for ranks in (0, 2) if i % 8 == 0 else (0,):
                pool.submit(run, name, prepare, fragments, ranks)
    print(f"{len(CASES)} wrong inputs, {len(failed)} failures")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
