"""What the scripts here share: how MPI starts, rounds in which contenders take turns, medians and what is kept."""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}


def start(*command, cwd=None):
    return subprocess.Popen(list(map(str, command)), cwd=cwd, env=ENVIRONMENT, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finished(*processes):
    """Standard output and error of each. Leaves with the message of the first that failed."""
    texts = [process.communicate() for process in processes]
    for process, (_, error) in zip(processes, texts):
        if process.returncode != 0:
            sys.exit(f"{' '.join(process.args)}: exit code {process.returncode}\n{error}")
    return texts


def told(text):
    """The last line of JSON in a program's output."""
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


def arguments(doc, rounds=None):
    """A parser with what every script here takes; without --rounds where there are none."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--json", type=Path, help="a file for every round's figures")
    return parser


def spread(values, places=3):
    """Median and range, as two cells of a table."""
    return (f"{statistics.median(values):.{places}f}", f"{min(values):.{places}f}-{max(values):.{places}f}")


def load_average():
    return f"load average {os.getloadavg()[0]:.1f}"


def keep(file, **figures):
    """Writes the figures beside the number of cores, if a file was asked for."""
    if file:
        file.write_text(json.dumps({"cores": os.cpu_count()} | figures, indent=1))


def table(head, rows):
    """Markdown."""
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print()


def pyplot():
    """matplotlib's, writing SVG files that are the same at each run."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "mpira", "svg.fonttype": "none", "font.size": 9}
    from matplotlib import pyplot as plots

    return plots
