"""Encoder for mteb: a model of ours measured by mteb's own tasks, at any of its declared widths.

    import mteb
    from evaluate.mteb_encoder import mteb_model
    mteb.evaluate(mteb_model("demo", embed_dim=128), tasks)

Requires `deglu[mteb]`.  Recordings and texts are encoded as they are everywhere else here: questions in the role
`query`, all else as documents.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import soxr
import torch
from mteb.models import ModelMeta

from embed.encoder import SAMPLE_RATE, Encoder, FloatArray, Role, truncate
from embed.errors import SpecError
from embed.model.handle import resolve_model
from embed.model.weights import load_model


def mteb_model(model: str, embed_dim: int | None = None) -> "MtebEncoder":
    """A model by name, folder or s3:// url, at a declared width; None is the full one.  Raises SpecError, InputError.

    mteb keeps the results of each width in a folder of its own.
    """
    handle = resolve_model(model)
    dims = handle.spec.dims
    if embed_dim is not None and embed_dim not in dims:
        raise SpecError(f"embed_dim {embed_dim}: {model} has no such width; give one of {', '.join(map(str, dims))}")
    meta = ModelMeta(
        loader=None,
        name=f"deglu/{model.rstrip('/').rpartition('/')[2]}",
        revision=handle.fingerprints.encoder,
        release_date=None,
        languages=None,
        n_parameters=None,
        memory_usage_mb=None,
        max_tokens=None,
        embed_dim=embed_dim or dims[0],
        license=None,
        open_weights=True,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch"],
        similarity_fn_name="cosine",
        use_instructions=False,
        training_datasets=None,
        modalities=["text", "audio"] if handle.speaks else ["text"],
        experiment_kwargs={"embed_dim": embed_dim} if embed_dim else None,
    )
    return MtebEncoder(load_model(handle), embed_dim or dims[0], meta)


class MtebEncoder:
    """mteb's `EncoderProtocol` over an encoder; vectors are unit vectors of one width."""

    def __init__(self, encoder: Encoder, dim: int, meta: ModelMeta) -> None:
        self.encoder, self.dim, self.mteb_model_meta = encoder, dim, meta

    def encode(self, inputs: Iterable[Mapping[str, Any]], *, prompt_type: Any = None, **_: Any) -> FloatArray:
        """Vectors [n, dim] of all batches; a batch with `audio` is speech, its texts are not read."""
        role: Role = "query" if getattr(prompt_type, "value", prompt_type) == "query" else "document"
        found = [np.zeros((0, self.dim), np.float32)]
        for batch in inputs:
            content = [_wave(one) for one in batch["audio"]] if "audio" in batch else list(batch["text"])
            found.append(truncate(self.encoder.encode(content, role), self.dim))
        return np.concatenate(found)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> torch.Tensor:
        """Cosines [n, m]."""
        return _unit(embeddings1) @ _unit(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> torch.Tensor:
        """Cosines [n] of the pairs."""
        return (_unit(embeddings1) * _unit(embeddings2)).sum(-1)


def _wave(item: Mapping[str, Any]) -> FloatArray:
    """A 1-d wave at 16 kHz of mteb's `array` ([samples] or [channels, samples]) and `sampling_rate`."""
    samples = np.asarray(item["array"], np.float32)
    mono = samples.mean(axis=0) if samples.ndim > 1 else samples
    rate = int(item["sampling_rate"])
    wave: FloatArray = mono if rate == SAMPLE_RATE else soxr.resample(mono, rate, SAMPLE_RATE)
    return wave


def _unit(vectors: Any) -> torch.Tensor:
    found = torch.as_tensor(vectors, dtype=torch.float32)
    return torch.nn.functional.normalize(found.reshape(-1, found.shape[-1]), dim=-1)
