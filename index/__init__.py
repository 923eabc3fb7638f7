"""Vectors become an index, a question becomes an answer.

Contracts: `contracts`, `spec`, `artifact`.  Compute: `neighbours`, `segment`, `calibrate`.  Storage: `staging`.
Engine: `build`, `search`.  faiss enters by `faiss_library` alone; importing this package loads no torch.
"""
