"""`deglu export model`: writes a model's text side as a folder that sentence-transformers opens."""

from pathlib import Path

from embed.model.export import export
from embed.model.handle import resolve_model
from embed.quantities import size
from jobs.command.output import Plain


def export_model(model: str, folder: str) -> Plain:
    """Write the folder; the result shows how to use it.  Raises SpecError, InputError."""
    place = Path(folder)
    dims = export(resolve_model(model), place)
    num_bytes = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    document = {"model": model, "folder": folder, "dims": list(dims), "bytes": num_bytes}
    lines = [
        f"{folder}: the text side of {model}, {size(num_bytes)}, widths {', '.join(map(str, dims))}",
        f"open it    SentenceTransformer({folder!r}, truncate_dim={dims[-1]})",
        'encode     .encode(texts, prompt_name="query" or "document", normalize_embeddings=True)',
    ]
    return Plain(document, "\n".join(lines))
