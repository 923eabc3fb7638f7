"""Health of a space: the gap between modalities, anisotropy, hubness; what often explains bad neighbours.

- gap: distance of the centroids of questions and documents (Liang et al., NeurIPS 2022); 0 is none, 2 the most
- anisotropy: mean cosine of two different documents (Ethayarajh, EMNLP 2019); 0 is a sphere, 1 a point
- hubness: skewness of how often a document is among the ten nearest (Radovanović et al., JMLR 2010); above 1 a few
  documents answer everything
"""

import numpy as np

from embed.encoder import FloatArray, truncate
from embed.errors import InputError
from evaluate.results import Health

NEIGHBOURS = 10


def health(query_vectors: FloatArray, document_vectors: FloatArray, dim: int) -> Health:
    """Measures of queries [q, D] and documents [n, D] at one width.  InputError for fewer than two documents."""
    if len(document_vectors) < 2:
        raise InputError(f"{len(document_vectors)} documents have no neighbours; give two or more")
    queries, documents = (truncate(one, dim).astype(np.float64) for one in (query_vectors, document_vectors))
    count, total = len(documents), documents.sum(axis=0)
    k = min(NEIGHBOURS, count)
    nearest = np.argpartition(-(queries @ documents.T), k - 1, axis=1)[:, :k]
    times = np.bincount(nearest.ravel(), minlength=count)
    spread = times.std()
    return Health(
        gap=float(np.linalg.norm(queries.mean(axis=0) - documents.mean(axis=0))),
        anisotropy=float((total @ total - (documents**2).sum()) / (count * (count - 1))),
        hubness=float((((times - times.mean()) / spread) ** 3).mean()) if spread else 0.0,
        never=float((times == 0).mean()),
    )
