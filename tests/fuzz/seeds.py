#!/usr/bin/env python3
"""seeds.py FOLDER: a seed corpus for each harness, FOLDER/<name>/: small files that are right, one of each kind, and some
that nearly are. Nothing but Python's own modules."""

import gzip
import json
import math
import sqlite3
import struct
import sys
import tempfile
import zlib
from pathlib import Path

BED = b"# peaks\nchr1\t10\t200\ta\t5.5\t+\nchr1\t150\t400\tb\t.\t-\nchr2R\t0\t2000\tc\t1e3\t.\n"
NARROW = b"chr1\t10\t200\ta\t5\t.\t1.5\t3\t2\t90\nchr2R\t1\t20\tb\t9\t.\t0\t-1\t-1\t-1\n"
MEME = b"""MEME version 4

ALPHABET= ACGT
strands: + -
Background letter frequencies
A 0.3 C 0.2 G 0.2 T 0.3

MOTIF MA1 one
letter-probability matrix: alength= 4 w= 2 nsites= 20 E= 0
 0.5 0.5 0 0
 0.25 0.25 0.25 0.25

MOTIF MA2
letter-probability matrix: alength= 4 w= 1
 1 0 0 0
"""
GTF = b"""#!genome-build x
chr1\tx\tgene\t11\t200\t.\t+\t.\tgene_id "g1"; gene_name "one"; gene_biotype "protein_coding";
chr1\tx\ttranscript\t11\t200\t.\t+\t.\tgene_id "g1"; transcript_id "t1";
chr2R\tx\tgene\t5\t90\t.\t-\t.\tgene_id "g2";
"""
GFF3 = b"""##gff-version 3
chr1\tx\tgene\t11\t200\t.\t+\t.\tID=g1;Name=one%3Btwo;biotype=protein_coding
chr1\tx\tmRNA\t11\t200\t.\t+\t.\tID=t1;Parent=g1,g2
chr2R\tx\tncRNA_gene\t5\t90\t.\t-\t.\tID=g2
##FASTA
>chr1
ACGT
"""


def jaspar():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "j.sqlite"
        base = sqlite3.connect(file)
        base.executescript("""
            PRAGMA page_size = 512;
            CREATE TABLE MATRIX (ID INTEGER, COLLECTION TEXT COLLATE NOCASE, BASE_ID TEXT, VERSION INTEGER, NAME TEXT);
            CREATE TABLE MATRIX_ANNOTATION (ID INTEGER, TAG TEXT, VAL TEXT COLLATE NOCASE);
            CREATE TABLE MATRIX_DATA (ID INTEGER, row TEXT, col INTEGER, val REAL);
            INSERT INTO MATRIX VALUES (1, 'CORE', 'MA1', 1, 'one'), (2, 'CORE', 'MA1', 2, 'one');
            INSERT INTO MATRIX_ANNOTATION VALUES (1, 'tax_group', 'insects'), (2, 'tax_group', 'insects');""")
        for matrix in (1, 2):
            for column in (1, 2):
                base.executemany("INSERT INTO MATRIX_DATA VALUES (?, ?, ?, ?)",
                                 [(matrix, row, column, 3.5 * i) for i, row in enumerate("ACGT")])
        base.commit()
        base.close()
        return file.read_bytes()


def safetensors(header, data=b"", length=None):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def weights():
    """A GET of the smallest size, whole."""
    features, dim, hidden = 3, 2, 4
    card = {"format": 1, "architecture": {"network": "GET", "features": features, "dim": dim, "depth": 1, "heads": 1,
            "mlp_ratio": 2.0, "outputs": 1, "head": "accessibility", "drop_path": 0.0, "eps": 1e-6},
            "assembly": "toy", "motifs": ["a", "b"], "scan_hash": "0", "window": 4, "focus": 2,
            "accessibility": "constant", "cell_type": "Kc", "scale_set": "all_regions", "scales": [1, 2.5],
            "held_out": [["chr1", 1, 9]], "window_regions": "all", "parents": [], "seen": None,
            "output_names": ["accessibility"], "training": {}, "content_hash": ""}
    block = "encoder.blocks.0."
    shapes = {"region_embed.embed.weight": [dim, features], "region_embed.embed.bias": [dim], "cls_token": [1, 1, dim],
              block + "norm1.weight": [dim], block + "norm1.bias": [dim], block + "attn.qkv.weight": [3 * dim, dim],
              block + "attn.q_bias": [dim], block + "attn.v_bias": [dim], block + "attn.proj.weight": [dim, dim],
              block + "attn.proj.bias": [dim], block + "norm2.weight": [dim], block + "norm2.bias": [dim],
              block + "mlp.fc1.weight": [hidden, dim], block + "mlp.fc1.bias": [hidden],
              block + "mlp.fc2.weight": [dim, hidden], block + "mlp.fc2.bias": [dim], "encoder.norm.weight": [dim],
              "encoder.norm.bias": [dim], "head_exp.head.weight": [1, dim], "head_exp.head.bias": [1]}
    header, offset = {"__metadata__": {"mpira": json.dumps(card)}}, 0
    for name, shape in shapes.items():
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    return safetensors(header, bytes(offset))


def journal():
    return struct.pack("<II", 0x314A504D, 0) + bytes(120)


def sealed(part):
    return part[:4] + struct.pack("<I", zlib.crc32(part[8:])) + part[8:]


def flight():
    """Of two ranks: one died in unit 7, the other was accused of hanging in unit 9."""
    magic = struct.pack("<II", 0x3146504D, 0)
    part = lambda fields: sealed(magic + fields.ljust(56, b"\0"))
    work = lambda unit: part(struct.pack("<QII", unit, 1, 0))
    end = lambda kind, signal, unit, busy: part(struct.pack("<IiqQII", kind, signal, 1_700_000_000_000, unit, busy, 0))
    return (sealed(magic + struct.pack("<II", 2, 256).ljust(120, b"\0")) +
            work(7) + end(2, 11, 0, 0) + bytes(64) + part(b"node1") + work(9) + bytes(64) + end(3, 0, 9, 1) + part(b"node2"))


CHAIN = b"""##matrix=axtChain
chain 9 chr1 1000 + 100 190 chr2R 400 + 10 90 1
30\t10\t0
50

chain 8 chr2R 400 + 0 40 chr1 1000 - 700 750 2
20 0 10
20
"""
NET = b"""net chr1 1000
 fill 100 400 chr2R + 0 300 id 1 score 5 ali 200 qDup 0 type top
  gap 200 150 chr2R + 100 20
   fill 210 100 chr1 - 500 90 id 2
    gap 230 10 chr1 - 560 10
  gap 450 10 chr2R + 200 0
net chr2R 400
 fill 0 7 chr1 + 3 7 id 4
"""
FOLD = b'{"train": ["chr1:0-900", "chr2R"], "valid": ["chrX"], "test": ["chr1:1000-2000"], "margin_bp": 50}'
TYPES = b'{"cell_types": {"train": ["A"], "valid": [], "test": ["B"]}, "design": {"by": "cell_type"}}'
CRISPRI = b"""chrom\tchromStart\tchromEnd\tmeasuredGeneSymbol\tRegulated\tValidConnection\tCellType
chr1\t10\t200\tone\tTRUE\tTRUE\tKc
chr1\t300\t400\ttwo\tfalse\tFALSE\tKc
"""
HEAD = json.dumps({"format": 2, "identity": {"train.epochs": 4}, "progress": {"epoch": 1, "history": [{"epoch": 0}]},
                   "content": ""}).encode()
HEADER = b"=" + json.dumps({"__metadata__": {"mpira.checkpoint": "{}"}}).encode()
METRICS = b'{"epoch": 0, "loss": 1.5}\n{"epoch": 1, "loss": 1e-3}\n{"epo'
PATCH = bytes([0, 0, 0, 3]) + b"\xff\xff\xff\xff" + bytes([0, 2, 0, 15]) + bytes(16)
SHUFFLE = {"id": "shuffle", "elementsize": 4}
# Six float32, 0 to 5, as Python's numcodecs has them.
BLOSC = bytes.fromhex("02019604180000001800000028000000000000000000803f0000004000004040000080400000a040")


def zarr(dtype, shape, compressor, chunk, filters=None):
    """.zarray, a byte 0, and its first chunk."""
    return json.dumps({"zarr_format": 2, "shape": shape, "chunks": shape, "dtype": dtype, "order": "C",
                       "compressor": compressor, "filters": filters, "fill_value": 0}).encode() + b"\0" + chunk


SEEDS = {
    "settings": [b'seed = 1\nrate = 0.25\nname = "b"\n[sites]\nnames = ["x", "y"]\npaired = false\n\0sites.names=a,b',
                 b'sites = {names = "x"}\nseed = 0x7f\nrate = 1e-3\n', b'[[sites]]\nnames = [1, [2]]\nd = 1979-05-27\n'],
    "alignments": [CHAIN, NET, gzip.compress(CHAIN, mtime=0)],
    "fold_file": [FOLD, TYPES, b'{"train": ["a"], "valid": ["b"], "test": ["a:1-2"]}'],
    "bed": [BED, NARROW, gzip.compress(BED, mtime=0), b"track name=x\nchr1 1 2\n", b"chr1\t1\t2\r\n"],
    "chrom_sizes": [b"chr1\t1000\nchr2\t9223372036854775807\t5 6\n# x\n"],
    "fasta": [b">chr1 x\nACGTNacgt\nACG\n>chr2\nRYK\n\0chr1\t12\t8\t9\t10\nchr2\t3\t28\t3\t4\n", b">a\nAC\n>b\n\n"],
    "matrix_market": [b"\0%%MatrixMarket matrix coordinate integer general\n%x\n2 3 3\n1 1 4\n2 3 1\n1 2 0\n\0chr1\t1\t9\nchr2\t3\t4\n\0A-1\nC-1\nG-1\n",
                      b"\1%%MatrixMarket matrix coordinate real general\n2 1 1\n2 1 3.0\n\0g1\tg\tGene Expression\nchr1:1-9\tp\tPeaks\n\0A-1\n"],
    "motifs": [MEME, b">MA1.1\tone\nA [ 1 2 ]\nC [3 4]\nG [ 5 6 ]\nT [ 7 8 ]\n>MA2\n.5 1\n.5 0\n0 0\n0 0\n",
               b"VV  x\nXX\n//\nAC  M1\nID  one\nNA  One\nP0 A C G T\n01 1 2 3 4 N\n02 5 6 7 8 W\nXX\n//\n"],
    "jaspar": [jaspar()],
    "hit_features": [b"# hit\tfeature\nAC1\tc1\textra\nAC2\t-\nc3\n"],
    "zarr": [zarr("<f4", [3, 2], None, struct.pack("<6f", *range(6))),
             zarr("<f4", [3, 2], {"id": "zlib", "level": 1}, zlib.compress(struct.pack("<6f", *range(6))), filters=[SHUFFLE]),
             zarr("<i2", [6], {"id": "gzip", "level": 1}, gzip.compress(struct.pack("<6h", *range(6)), mtime=0)),
             zarr("<f4", [3, 2], {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 2, "blocksize": 0}, BLOSC),
             zarr("|b1", [5, 1], None, b"\0\1\0\1\1"), zarr("<U3", [2], None, "ab\0c\0\0".encode("utf-32-le")),
             zarr("|O", [2], None, b"\2\0\0\0\3\0\0\0abc\0\0\0\0", filters=[{"id": "vlen-utf8"}])],
    "motif_clusters": [b"# id\tname\nMA1\tc1\textra\nMA2\t-\n"],
    "elements": [b">e1 x\nACGT\nNNRY\n>e2\nACG\n\0e1\tpromoter\ne2\tdistal\n\0>v\nACGT__Enhancer__ACGT\n", b">e\nA\n"],
    "genes": [b"\0" + GTF, b"\1" + GFF3, b"\2" + b"chr1\t1\t20\tg\t0\t-\nchr1\t5\t9\t.\t0\t+\n"],
    "activity": [b"\0element\treplicate\tdna\trna\tn_bc\ne1\tr1\t9\t31\t12\ne1\tr2\t4\t8\t3\n",
                 b"\0chr\tstart\tend\tstrand\tactivity\tgroup\nchr1\t5\t90\t-\t-0.25\tcontrol\nchr2\t0\t7\t.\tNA\t\n",
                 b"\1chr1\t0\t200\t1_TssA\t0\t.\nchr1\t200\t90000\t15_Quies\nchr2\t3\t4\t1_TssA\n"],
    "gene_table": [b"\0gene\tMbn2\tx\tKc\ng1\t1\tNA\t3.5\n", b"\1gene\tKc\tMbn2\nENSG1.2\t0\t1e3\n\ng2\t1\t2\r\n"],
    "region_table": [b"region\tKc\tMbn2\nchr1:0-100\t1\t0.5\nchr1:200-300\t0\t2\nchr2R:5-50\t1e-3\t4\n"],
    "weights": [weights(), safetensors({"a": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)),
                safetensors({}, b"", 1 << 62)],
    "crispri": [b"\0" + CRISPRI, b"\1" + CRISPRI, b"\0" + gzip.compress(CRISPRI, mtime=0)],
    "job_tables": [b"\0one set\tabout\tg1\tg2\nother\t\tg2\n", b"\1MA1\tone\nMA2\tone\tx\n", b"\2MA1\tMA2\n# x\nMA3\tp\n",
                   b"\3protein1 protein2 combined_score\np1 p2 900\n\0#string_protein_id\tpreferred_name\np1\tMA1\np2\tMA2\n",
                   b"\3protein1 protein2 combined_score\nMA1 MA3 401\n", b"\4promoter\ta.safetensors\n",
                   b"\5one\tpeaks.bed\ntwo\tpeaks.bed\n\0chr1\t1\t9\ta\t5\nchr1\t3\t20\tb\t6\nchr2R\t1\t9\tc\t7\n"],
    "run_status": [METRICS, METRICS + b"\0" + HEAD, b"\0" + HEADER + b"\0" + HEAD, b"\0" + bytes(9)],
    "flight": [b"\1" + flight(), b"\0" + flight()],
    "journal": [journal(), bytes(128), bytes(1024)],
    "result_file": [PATCH],
    "atlas": [PATCH],
}

for name, seeds in SEEDS.items():
    folder = Path(sys.argv[1]) / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (folder / f"seed{number}").write_bytes(seed)
