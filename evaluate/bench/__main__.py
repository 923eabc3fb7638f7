"""The command `python -m evaluate.bench [--json] [--out FILE] [--n N]`: all benches, as a list of documents."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import walk_packages

import evaluate.bench
from embed.errors import DegluError
from evaluate.bench.command import Bench, as_lines, failed, parsed, write_document


def benches() -> dict[str, Bench]:
    """The modules of this folder that have a `bench`, by name; of folders below, `__main__` has the folder's name."""
    found = sorted(one.name for one in walk_packages(evaluate.bench.__path__, f"{evaluate.bench.__name__}."))
    modules = {_name(home): import_module(home) for home in found if home != f"{evaluate.bench.__name__}.__main__"}
    return {name: module.bench for name, module in modules.items() if hasattr(module, "bench")}


def _name(home: str) -> str:
    """`index` of `evaluate.bench.index.__main__`, `index_gpu` of `evaluate.bench.index.gpu`."""
    return home.removeprefix(f"{evaluate.bench.__name__}.").removesuffix(".__main__").replace(".", "_")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all benches, one after the other; one that cannot run here is reported, and the others still run."""
    options = parsed("python -m evaluate.bench", arguments)
    documents, code = [], 0
    for name, bench in benches().items():
        sys.stderr.write(f"bench {name}\n")
        try:
            documents.append(bench(options.n))
        except DegluError as error:
            code = failed(name, error)
    write_document(documents, "\n".join(as_lines(document) for document in documents), options)
    return code


if __name__ == "__main__":
    sys.exit(main())
