"""All peers of the index bench; each is compared with its best build, tuned over its own grid."""

from evaluate.bench.index.contender import Family
from evaluate.bench.index.peers import flat as index_flat
from evaluate.bench.index.peers import graphs as index_graphs
from evaluate.bench.index.peers import rabitq as index_rabitq
from evaluate.bench.index.peers import scann as index_scann

PACKAGES = (
    *("faiss-cpu", "hnswlib", "scann", "usearch", "scalable-vs"),
    *("rabitqlib", "turbovec", "lancedb", "pyvsag", "wordllama"),
)

FAMILIES: tuple[Family, ...] = (
    *index_flat.FAMILIES,
    *index_graphs.FAMILIES,
    *index_rabitq.FAMILIES,
    *index_scann.FAMILIES,
)
