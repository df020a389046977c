"""The pages of docs/ are run as they are printed, in the order of docs/README.md, in one folder laid out as a checkout.

What a fenced block is, by the words behind its three backticks:
  sh             run, in one bash per page that ends at the first failing line
  sh elsewhere   not run, because it needs what a test has not (a cluster, half an hour): counted and listed; that its mpira
                 commands, options and settings exist, and the files of the checkout it names, is checked
  toml           saved under the name in its first line, "# NAME.toml"
  py             run with Python, at its place between the others
  text           what the block before it says: each line must stand in its output, numbers aside
  text exact     the same, with the numbers
So a user may copy a page from top to bottom.
"""
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import notebooks
from mpira_test import MPIRA, environment, mpira

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w+)?(?: +(\w+))? *\n(.*?)^```$", re.M | re.S)
KINDS = {("sh", ""), ("sh", "elsewhere"), ("toml", ""), ("py", ""), ("text", ""), ("text", "exact")}
# As first-campaign.md says it, for every page.
PROLOGUE = 'set -eo pipefail\n. launch/env.sh\nPATH=$PWD/build/release/bin:$PWD/.deps/venv/bin:$PATH\n'


def pages():
    """In reading order: as docs/README.md links them."""
    names = re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "README.md").read_text())
    names = list(dict.fromkeys(names))
    assert set(names) == {path.name for path in DOCS.glob("*.md")} - {"README.md"}, "docs/README.md lists every page"
    return ["README.md", *names]


def blocks(page):
    text = (DOCS / page).read_text()
    found = [(language or "", word or "", body) for language, word, body in FENCE.findall(text)]
    assert text.count("```") == 2 * len(found), f"{page}: a fence that is not closed, or with other words behind it"
    for language, word, _ in found:
        assert (language, word) in KINDS, f"{page}: a block '{language} {word}': see the top of docs_test.py"
    return found


# ---- a checkout


def lay_out(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("launch", "config", ".deps", "jobs", "perf"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "build" / "release").mkdir(parents=True)
    (folder / "build" / "release" / "bin").symlink_to(Path(MPIRA).resolve().parent)


# ---- running


def script_of(found):
    """One bash of all blocks, a mark before each; Python and files go in as here-documents."""
    lines = [PROLOGUE]
    for number, (language, word, body) in enumerate(found):
        if language == "text" or word == "elsewhere":
            continue
        lines.append(f"echo '@@@ {number} '$EPOCHREALTIME")
        if language == "sh":
            lines.append(body)
        elif language == "py":
            # From a file: TorchScript wants to read the source of what it compiles.
            lines.append(f"cat >block.py <<'END_OF_PY'\n{body}END_OF_PY\npython block.py\n")
        else:
            name = re.match(r"# (\S+\.toml)\n", body)
            assert name, f"a toml block begins with '# NAME.toml': {body.splitlines()[0]}"
            lines.append(f"cat >{shlex.quote(name[1])} <<'END_OF_TOML'\n{body}END_OF_TOML\n")
    lines.append("echo '@@@ end '$EPOCHREALTIME\n")
    return "\n".join(lines)


def outputs_of(said):
    """{number of a block: (what it printed, seconds)}"""
    parts = re.split(r"^@@@ (\w+) ([\d.]+)\n", said, flags=re.M)
    marks = list(zip(parts[1::3], map(float, parts[2::3]), parts[3::3]))
    return {int(number): (text, marks[i + 1][1] - began if i + 1 < len(marks) else 0.0)
            for i, (number, began, text) in enumerate(marks) if number != "end"}


def plain(line, exact=False):
    """Spaces, and unless they must be exact, numbers and times differ from machine to machine."""
    return re.sub(r"\s+", " ", line if exact else re.sub(r"[\d.,]*\d", "#", line)).strip()


def run_page(page, folder):
    found = blocks(page)
    if not any(language in ("sh", "py") and not word for language, word, _ in found):
        return 0, 0.0
    began = time.monotonic()
    done = subprocess.run(["bash", "-c", script_of(found)], cwd=folder, env=environment(0), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=560)
    printed = outputs_of(done.stdout)
    assert done.returncode == 0, f"{page}: block {max(printed, default=0)} ended with {done.returncode}\n{done.stdout[-6000:]}"
    assert "HDF5-DIAG" not in done.stdout, done.stdout
    last = None
    for number, (language, word, body) in enumerate(found):
        if language == "text":
            assert last is not None, f"{page}: a text block with nothing run before it"
            exact = word == "exact"
            said = {plain(line, exact) for line in printed[last][0].splitlines()}
            for line in filter(None, (plain(line, exact) for line in body.splitlines())):
                assert any(line in other for other in said), f"{page}: never said: {line}\n{printed[last][0]}"
        elif number in printed:
            last = number
    for number, (_, seconds) in printed.items():
        if seconds > 3:
            print(f"    {seconds:5.1f} s  {found[number][2].strip().splitlines()[0][:100]}")
    return sum(language in ("sh", "py") for _, (language, _, _) in ((n, found[n]) for n in printed)), time.monotonic() - began


# ---- units.md against files


# Section of units.md -> results that the pages left.
RESULTS = {"features: the atlas": ["runs/quickstart/atlas.h5ad", "mine/atlas.h5ad", "mine/hits_atlas.h5ad", "mine/cage_atlas.h5ad",
                                     "mine/imported.h5ad"], "counts": ["mine/counts.h5ad", "mine/cage.h5ad"],
           "lentimpra": ["runs/first/screen.h5ad", "mine/screen.h5ad"], "predict": ["runs/first/predict.h5ad", "mine/cage_predictions.h5ad"],
           "jacobian": ["runs/first/jacobian.h5ad", "mine/jacobian.h5ad"], "perturb": ["runs/first/perturb.h5ad"],
           "crispri": ["mine/crispri.h5ad"], "network": ["runs/first/network.h5ad", "mine/network.h5ad"],
           "folds": ["runs/first/folds.h5ad", "mine/folds.h5ad"]}
SHARED_ROWS = {"predict", "jacobian", "perturb"}


def numbers_of(file):
    """Paths of what holds numbers: X, layers and the rest but obs/done, names of categories and uns."""
    import h5py

    found = set()
    with h5py.File(file, "r", locking=False) as handle:
        for group in ("layers", "obs", "obsm", "varm", "varp"):
            for name, node in handle[group].items():
                sparse = isinstance(node, h5py.Group) and "data" in node
                if sparse or (isinstance(node, h5py.Dataset) and node.dtype.kind in "biuf"):
                    found.add(f"{group}/{name}")
    return found - {"obs/done"} | {"X"}


def check_units(folder):
    """Every number of every kind of result has its line, and every line its number unless a setting asks for it."""
    text = (DOCS / "units.md").read_text()
    sections = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    settings = {key for job in re.findall(r"^(\w+) {2,}", mpira("jobs", code=0).stdout, re.M)
                for key in re.findall(r"^\\fB([\w.\\-]+)\\fR [=(]", mpira("man", job, code=0).stdout, re.M)}
    checked = 0
    for section, files in RESULTS.items():
        lines = sections[section].splitlines()
        if section in SHARED_ROWS:
            lines += sections["Rows of predict, jacobian and perturb"].splitlines()
        always, asked_for = set(), set()
        for line in lines:
            where = line.split("|")[1] if line.startswith("| `") else ""
            names = re.findall(r"`((?:X|[\w]+/[\w]+))`", where)
            (asked_for if "*with*" in line else always).update(names)
            for key in re.findall(r"\*with\* `([\w.]+)`", line):
                assert key in settings, f"units.md: {section}: there is no setting {key}"
        for file in files:
            held = numbers_of(folder / file)
            assert held <= always | asked_for, f"units.md: {section}: no line for {sorted(held - always - asked_for)} of {file}"
            checked += len(held)
        somewhere = set().union(*(numbers_of(folder / file) for file in files))
        absent = always - somewhere
        if section in SHARED_ROWS:  # rows that are regions have no gene's columns
            absent -= {name for name in absent if name.startswith("obs/")}
        assert not absent, f"units.md: {section}: no file has {sorted(absent)}"
    print(f"units.md: {checked} columns and matrices of {sum(map(len, RESULTS.values()))} files have their line")


# ---- blocks that are not run


def commands_in(body):
    """The command lines of a block: continued lines joined, remarks and redirections off."""
    for line in re.sub(r"\\\n\s*", " ", body).splitlines():
        for part in re.split(r"(?:;|&&|\|\|?)\s", re.sub(r"(^|\s)#.*", "", line)):
            try:
                words = shlex.split(part)
            except ValueError as error:
                raise AssertionError(f"{error}: {part}") from None
            if words:
                yield words


class Words:
    """What --help and `mpira config` know, asked once a command."""

    def __init__(self):
        self.options, self.keys = {}, {}

    def check(self, command, words, where):
        if command not in self.options:
            text = mpira(command, "--help", code=0).stdout
            self.options[command] = set(re.findall(r"(--[\w-]+)", text)) | {"-v"}
        for number, word in enumerate(words):
            if word.startswith("--") and word.split("=")[0] not in self.options[command]:
                raise AssertionError(f"{where}: mpira {command} has no option {word}")
            if number and words[number - 1] == "--set":
                self.check_key(words[0] if command == "plan" else command, word, where)

    def check_key(self, job, word, where):
        if job not in self.keys:
            table, known = "", set()
            for line in mpira("config", job, code=0).stdout.splitlines():
                if section := re.match(r"\[(\S+)\]$", line):
                    table = section[1] + "."
                elif key := re.match(r"(?:# )?(\w+) = ", line):
                    known.add(table + key[1])
            self.keys[job] = known
        assert word.split("=")[0] in self.keys[job], f"{where}: {word} is no setting of {job}"


def check_elsewhere(page, body, known):
    """The words of a block that can't be run here."""
    launchers = {"launch/slurm.sbatch", "launch/campaign", "launch/local", "launch/quickstart"}
    told = []
    for words in commands_in(body):
        command = next((i for i, word in enumerate(words) if word == "mpira" or word in launchers), None)
        if command is not None and command + 1 < len(words):
            rest = words[command + 1:]
            while rest and words[command] != "mpira" and rest[0].startswith("--"):  # of the launcher itself
                rest = rest[2 if rest[0] in ("--ranks", "--restarts") else 1:]
            if rest:
                known.check(rest[0], rest[1:], f"docs/{page}")
        for word in words:
            if re.match(r"(launch|config|perf|tests|docs)/[\w./-]+$", word):
                assert (ROOT / word).exists(), f"docs/{page}: there is no {word}"
        told.append(" ".join(words))
    return told


def links(page, text):
    """Relative links lead somewhere."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (DOCS / target).exists(), f"docs/{page}: the link {target} leads nowhere"


def run_pages(folder, chosen):
    known, elsewhere, blocks_run, began = Words(), [], 0, time.monotonic()
    lay_out(folder)
    for page in pages():
        links(page, (DOCS / page).read_text())
        for language, word, body in blocks(page):
            if word == "elsewhere":
                elsewhere += [f"{page}: {line}" for line in check_elsewhere(page, body, known)]
        if page not in chosen:
            continue
        count, seconds = run_page(page, folder)
        blocks_run += count
        print(f"{page:<24} {count:>3} blocks run, {seconds:.1f} s", flush=True)
    assert blocks_run >= 3 * len(chosen) - 6, "next to nothing was run: are blocks still marked as the top says?"
    if {"first-campaign.md", "your-own-data.md"} <= set(chosen):
        check_units(folder)
        notebooks.check(folder)
    print(f"{len(elsewhere)} commands that can't be run here, their words checked:")
    for line in elsewhere:
        print(f"  {line}")
    print(f"{blocks_run} blocks in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    import tempfile

    # Names of pages: only these.
    chosen = sys.argv[1:] or pages()
    with tempfile.TemporaryDirectory(prefix="mpira-docs-") as scratch:
        kept = os.environ.get("MPIRA_DOCS_FOLDER")  # an empty folder, to look at what the pages leave
        run_pages(Path(kept or scratch), chosen)
