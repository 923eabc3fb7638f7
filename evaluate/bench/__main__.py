"""The command `python -m evaluate.bench [--json] [--out FILE] [--n N]`: all benches, as a list of documents."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

import evaluate.bench
from embed.errors import DegluError
from evaluate.bench.command import Bench, as_lines, failed, parsed, write_document


def benches() -> dict[str, Bench]:
    """The modules of this folder that have a `bench`, and the folders whose `__main__` has one, by name."""
    found = [module for module in iter_modules(evaluate.bench.__path__) if module.name != "__main__"]
    homes = {one.name: f"evaluate.bench.{one.name}{'.__main__' if one.ispkg else ''}" for one in found}
    modules = {name: import_module(home) for name, home in homes.items()}
    return {name: module.bench for name, module in modules.items() if hasattr(module, "bench")}


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
