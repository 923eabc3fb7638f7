"""All peers of the index bench; each is compared with its best build, tuned over its own grid."""

from evaluate.bench.index import flat as index_flat
from evaluate.bench.index import graphs as index_graphs
from evaluate.bench.index import rabitq as index_rabitq
from evaluate.bench.index import scann as index_scann
from evaluate.bench.index.contender import Family

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
