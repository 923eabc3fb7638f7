"""All peers of the index bench; each goes into the comparison with its best build, tuned over its own grid."""

from evaluate.bench import index_flat, index_graphs, index_scann
from evaluate.bench.index_contender import Family

PACKAGES = ("faiss-cpu", "hnswlib", "scann", "usearch", "scalable-vs", "wordllama")

FAMILIES: tuple[Family, ...] = (*index_flat.FAMILIES, *index_graphs.FAMILIES, *index_scann.FAMILIES)
