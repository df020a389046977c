#!/usr/bin/env python3
"""Stub libraries that let `import torch` work on a machine without NVIDIA's libraries (tests on the CPU only).

libtorch_python loads libtorch_cuda, which needs cuBLAS, cuDNN and others: 1.7 GB of wheels that no CPU test calls.
For each library that is missing, this writes one that defines the needed symbols, each of which ends the process
with a message when it is called. Never put them on the path of a GPU run.

usage: torch_stubs.py LIBTORCH_SITE OUT    (LIBTORCH_SITE holds torch/ and nvidia/)
"""
import collections
import os
import re
import subprocess
import sys
import tempfile

USERS = ("libtorch_cuda.so", "libtorch_nvshmem.so", "libtorch_python.so", "libtorch_cuda_linalg.so")
# Libraries that do not version their symbols: told apart by prefix.
UNVERSIONED = {"cuFile": "libcufile.so.0", "cusparseLt": "libcusparseLt.so.0", "nccl": "libnccl.so.2",
               "pnccl": "libnccl.so.2", "curand": "libcurand.so.10"}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def present(soname, site):
    for folder, _, files in os.walk(os.path.join(site, "nvidia")):
        if soname in files:
            return True
    return os.path.exists(os.path.join(site, "torch", "lib", soname)) or soname.startswith(
        ("libc.", "libm.", "libdl.", "librt.", "libpthread.", "libstdc++", "libgcc_s", "ld-linux"))


def main(site, out):
    missing = collections.defaultdict(lambda: collections.defaultdict(set))  # soname -> version -> symbols
    for user in USERS:
        path = os.path.join(site, "torch", "lib", user)
        if not os.path.exists(path):
            continue
        headers = run("objdump", "-p", path)
        for soname in re.findall(r"NEEDED\s+(\S+)", headers):
            if not present(soname, site):
                missing[soname]  # noqa: B018: an entry without symbols is still a library to make
        library_of_version = {}
        for block in re.findall(r"required from (\S+):\n((?:    0x.*\n)*)", headers):
            for version in re.findall(r"0x\S+ 0x\S+ \d+ (\S+)", block[1]):
                library_of_version[version] = block[0]
        for line in run("nm", "-D", "--undefined-only", path).splitlines():
            symbol, _, version = line.split()[-1].partition("@")
            version = version.lstrip("@")
            soname = library_of_version.get(version)
            if not version:
                soname = next((lib for prefix, lib in UNVERSIONED.items() if symbol.startswith(prefix)), None)
            if soname in missing:
                missing[soname][version].add(symbol)
    os.makedirs(out, exist_ok=True)
    for soname, versions in sorted(missing.items()):
        with tempfile.TemporaryDirectory() as work:
            source, script = os.path.join(work, "stub.c"), os.path.join(work, "versions")
            with open(source, "w") as c:
                c.write('#include <stdio.h>\n#include <stdlib.h>\n')
                for symbols in versions.values():
                    for symbol in sorted(symbols):
                        c.write(f'void {symbol}(void) {{ fputs("{soname}: stub of {symbol} called\\n", stderr); abort(); }}\n')
            with open(script, "w") as v:
                for version, symbols in versions.items():
                    if version:
                        v.write(f"{version} {{ global: {'; '.join(sorted(symbols))}; }};\n")
            command = ["cc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{soname}", "-o", os.path.join(out, soname), source]
            if any(versions):
                command.insert(1, f"-Wl,--version-script={script}")
            subprocess.run(command, check=True)
        print(f"stub {soname}: {sum(map(len, versions.values()))} symbols")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
