"""Vectors become an index, a question becomes an answer.

Contracts: `contracts`, `spec`, `ladder`, `artifact`, `where`.
Compute: `neighbours`, `kernels`, `router`, `coder`, `bits`, `choose`, `blend`.
Storage: `staging`, `survey`, `shard`, `merge`, `removed`.
Engine: `segment`, `shelf`, `search`, `calibrate`, `build`, `live`, `verify`.

faiss enters by `faiss_library` alone; importing this package loads no torch.
"""
