#!/usr/bin/env python3
"""The contract that a TorchScript model of another program needs to run in mpira (include/mpira/model/script.hpp).

    .deps/venv/bin/python launch/torchscript_contract.py ATLAS --outputs plus,minus --window 200 --focus 100 > mpira.json

then, where the model lives:

    torch.jit.save(torch.jit.script(model.eval()), "model.pt", _extra_files={"mpira.json": open("mpira.json").read()})

The model reads float32 (windows, regions, features): the atlas's motifs divided by a scale set and clipped to 1, then
accessibility; and returns float32 (windows, regions, outputs).
"""
import argparse
import json
import sys

import anndata
import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("atlas", help="the .h5ad of mpira features whose rows the model reads")
    parser.add_argument("--outputs", required=True, help="names, comma separated")
    parser.add_argument("--head", default="expression", choices=("expression", "accessibility"))
    parser.add_argument("--window", type=int, required=True, help="regions of a window")
    parser.add_argument("--focus", type=int, required=True, help="index in the window that is read")
    parser.add_argument("--accessibility", default="constant", choices=("constant", "binarised", "quantitative"),
                        help="how the last column was made in training")
    parser.add_argument("--cell-type", default="", help="that it was trained on")
    parser.add_argument("--scale-set", help="scales it was trained with; default: the atlas's first")
    parser.add_argument("--regions", default="all", help='regions its windows consist of: "all" or "accessible"')
    parser.add_argument("--held-out", action="append", default=[], metavar="CHROM:START-END",
                        help="not seen in training; may be repeated")
    options = parser.parse_args()
    atlas = anndata.read_h5ad(options.atlas, backed="r")
    sets = [str(name) for name in atlas.uns["scale_sets"]]
    scale_set = options.scale_set or sets[0]
    if scale_set not in sets:
        sys.exit(f"{options.atlas} has no scale set '{scale_set}'; it has {', '.join(sets)}")
    held_out = []
    for text in options.held_out:
        chrom, _, span = text.rpartition(":")
        start, _, end = span.partition("-")
        if not (chrom and start.isdigit() and end.isdigit() and int(start) < int(end)):
            sys.exit(f"--held-out {text}: expected CHROM:START-END")
        held_out.append([chrom, int(start), int(end)])
    outputs = options.outputs.split(",")
    json.dump({"format": 1,
               "architecture": {"network": "TorchScript", "input": "region_matrix", "features": atlas.n_vars + 1,
                                "outputs": len(outputs), "head": options.head},
               "assembly": str(atlas.uns["assembly"]), "motifs": [str(name) for name in atlas.var_names],
               "scan_hash": str(atlas.uns["scan"]["hash"]), "window": options.window, "focus": options.focus,
               "accessibility": options.accessibility, "cell_type": options.cell_type, "scale_set": scale_set,
               "scales": np.asarray(atlas.varm["scale"], dtype=float)[:, sets.index(scale_set)].tolist(),
               "held_out": held_out, "window_regions": options.regions, "output_names": outputs}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
