"""Every printed example is run as it is printed: those of --help, of README.md, and of the comments in config/*.toml.

They run in a folder that has the checkout's config/ and what a user would bring: a finished campaign called
screen.h5ad. What stops an example may only be data that launch/quickstart or launch/paper makes (the message then
names it), a file of the user's own (a bare name), or a required setting that `mpira config` leaves to the user.
Anything else, an option, a key, a name that no longer exists, fails here. Commands that are no mpira (launch/...,
cmake, sbatch) are checked for the files they name.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from mpira_test import MPIRA, environment, mpira, run_cases

ROOT = Path(__file__).resolve().parents[2]
MADE_BY_LAUNCH = re.compile(r"runs/(quickstart|paper)/")
LEFT_TO_THE_USER = re.compile(r"^mpira: (\w+\.toml: \S+: must be given|(cannot open )?[\w.]+: No such file|"
                              r"screen.h5ad: a result of mpira synthetic;)", re.M)  # of lay_out, for any job's
LAUNCHER = re.compile(r"^(mpirun -n \d+|srun) (?=\S*mpira )")


def commands():
    text = mpira("--help", code=0).stdout
    listed = re.findall(r"^  ([a-z]+) {2,}\S", text[text.index("Jobs:"):text.index("Started by")], re.M)
    assert {"features", "lentimpra", "status", "config", "doctor"} <= set(listed), text
    return listed


def help_example(command):
    """The lines after "Example:" in the help of a command."""
    text = mpira(command, "--help", code=0).stdout
    assert "Example:" in text, f"mpira {command} --help shows no example:\n{text}"
    lines = [line.strip() for line in text[text.index("Example:"):].splitlines()[1:] if line.strip()]
    assert lines and all(re.search(rf"\bmpira {command}\b", line) for line in lines), lines
    return lines


def indented(path):
    """Commands of a Markdown file: indented lines that begin with one, without the remark behind them."""
    found = []
    for line in path.read_text().splitlines():
        if match := re.match(r"    ((?:mpirun|srun|sbatch|mpira|launch/|cmake|\.deps/|import ).*)", line):
            line = re.sub(r"\s{2,}#.*", "", match[1]).strip()
            found += [line] if line.startswith("import ") else line.split("; ")
    return found


def commented(path):
    """Commands in the comments of a TOML file."""
    return re.findall(r"^#   ((?:mpirun|srun|mpira|launch/).*?)(?:  +#.*)?$", path.read_text(), re.M)


def lay_out(folder):
    """What examples may refer to: the checkout's config/, and a campaign of the user's."""
    (folder / "config").symlink_to(ROOT / "config")
    (folder / "scratch" / "me").mkdir(parents=True)
    mpira("synthetic", "--set", "rows=64", "--set", "duration.mean_ms=0", "--output", folder / "screen.h5ad", code=0)


def run(line, folder):
    """The command as printed; the launcher is left out (one rank does), /scratch lies in the folder, and a
    campaign that only shows the machinery is cut short."""
    words = LAUNCHER.sub("", line).replace("/scratch/", f"{folder}/scratch/").replace("build/release/bin/mpira", "mpira")
    # A TOML file of the user's, as `mpira config` leaves it to be filled in.
    if (own := re.match(r"mpira (?:plan )?(\w+) .*--config (\w+\.toml)", words)) and not (folder / own[2]).exists():
        (folder / own[2]).write_text(mpira("config", own[1], code=0).stdout)
    if words.startswith("mpira synthetic"):
        words = words.replace("rows=100000", "rows=100") + " --set duration.mean_ms=0"
    if words.startswith("mpira plan synthetic"):
        words += " --set duration.mean_ms=0.1"
    env = environment(0)
    env["PATH"] = f"{Path(MPIRA).resolve().parent}:{env['PATH']}"
    done = subprocess.run(["bash", "-c", words], cwd=folder, env=env, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    said = done.stdout + done.stderr
    excused = done.returncode == 2 and (MADE_BY_LAUNCH.search(said) or LEFT_TO_THE_USER.search(said))
    assert done.returncode == 0 or excused, f"$ {line}\nexit code {done.returncode}\n{said}"
    return "runs" if done.returncode == 0 else "stops at the user's data"


def check_other(line):
    """A command that is not ours to run: the files and presets it names exist."""
    words = shlex.split(line)
    program = words[1] if words[0] == "sbatch" else words[0]
    if program.startswith("launch/"):
        assert os.access(ROOT / program, os.R_OK if words[0] == "sbatch" else os.X_OK), line
    if "--preset" in words:
        presets = [p["name"] for p in json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]]
        assert words[words.index("--preset") + 1] in presets, line
    for word in words:
        if re.match(r"(perf|launch|config|tests)/\S+\.\w+$", word):
            assert (ROOT / word).exists(), f"{line}: there is no {word}"
    return "names what exists"


def check(lines, folder, where):
    lay_out(folder)
    assert lines, f"{where}: no example found"
    for line in lines:
        if line.startswith("import "):
            done = subprocess.run([sys.executable, "-W", "error", "-c", line], cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, f"{where}: {line}\n{done.stderr}"
            outcome = "runs"
        elif LAUNCHER.match(line) or line.startswith(("mpira", "build/", "source <(mpira")):
            outcome = run(line, folder)
        else:
            outcome = check_other(line)
        print(f"  {where}: {line}: {outcome}")


def help_of_every_command(folder):
    check([line for command in commands() for line in help_example(command)], folder, "--help")


def readme(folder):
    check(indented(ROOT / "README.md"), folder, "README.md")


def other_readmes(folder):
    lines = [line for path in sorted(ROOT.glob("*/README.md")) + sorted(ROOT.glob("src/*/README.md"))
             for line in indented(path)]
    check(lines, folder, "READMEs")


def comments_of_configs(folder):
    check([line for path in sorted(ROOT.glob("config/**/*.toml")) for line in commented(path)], folder, "config/")


def keys_and_files_of_configs(_):
    """Every key of config/*.toml is a setting of the job that the file is for; relative paths are made by launch/."""
    launch = "".join(path.read_text() for path in ROOT.glob("launch/*") if path.is_file())
    for path in sorted(ROOT.glob("config/**/*.toml")):
        text = path.read_text()
        job = re.search(r"mpira (\w+) --config config/" + re.escape(str(path.relative_to(ROOT / "config"))),
                        text + launch + (ROOT / "README.md").read_text())
        assert job, f"{path.name}: nothing says which command it is for"
        known = set()
        table = ""
        for line in mpira("config", job[1], code=0).stdout.splitlines():
            if section := re.match(r"\[(\S+)\]$", line):
                table = section[1] + "."
            elif key := re.match(r"(?:# )?(\w+) = ", line):
                known.add(table + key[1])
        flat = flatten(tomllib.loads(text))
        assert len(flat) > 3 and len(known) > 10, (path, flat, known)
        unknown = [key for key in flat if key not in known]
        assert not unknown, f"{path.name}: {unknown} are no settings of {job[1]}"
        for key, value in flat.items():
            for word in value if isinstance(value, list) else [value]:
                for place in re.findall(r"[\w.]+/[\w./]+", word if isinstance(word, str) else ""):
                    assert place.startswith("runs/"), f"{path.name}: {key}: {place} is neither made here nor in the repo"


def flatten(table, prefix=""):
    flat = {}
    for key, value in table.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


if __name__ == "__main__":
    run_cases([help_of_every_command, readme, other_readmes, comments_of_configs, keys_and_files_of_configs])
