"""Process of one part of the GPU bench: `python -m evaluate.bench.gpu.part NAME FILE` writes each row as JSON."""

import json
import sys
from pathlib import Path

import torch

from evaluate.bench.gpu.parts import PARTS
from evaluate.bench.gpu.sizes import REAL, TINY
from evaluate.bench.shape import plain


def main(name: str, out: str, *options: str) -> int:
    sizes = TINY if "--rehearse" in options else REAL
    if sizes.device == "cuda" and not torch.cuda.is_available():
        sys.stderr.write("no CUDA device: torch finds none on this machine\n")
        return 1
    (part,) = (part for part in PARTS if part.name == name)
    with Path(out).open("a", encoding="utf-8") as file:
        for row in part.rows(sizes):
            file.write(json.dumps(plain(row)) + "\n")
            file.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
