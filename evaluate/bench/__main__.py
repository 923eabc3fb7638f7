"""`python -m evaluate.bench [--json] [--out FILE] [--n N]`: every bench that there is, as a list of documents."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import walk_packages

import evaluate.bench
from embed.errors import DegluError
from evaluate.bench.command import Bench, as_lines, failed, hand_over, parsed

ROOT = "evaluate.bench"


def benches() -> dict[str, Bench]:
    """The modules that have a `bench`: `memory`, `index` (a folder with its `__main__`), `index_gpu` (in it)."""
    modules = {_name(one.name): import_module(one.name) for one in walk_packages(evaluate.bench.__path__, f"{ROOT}.")}
    return {name: module.bench for name, module in sorted(modules.items()) if hasattr(module, "bench")}


def _name(module: str) -> str:
    return module.removeprefix(f"{ROOT}.").removesuffix(".__main__").replace(".", "_")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them all, one after the other; a bench that cannot run here is named, the others run all the same."""
    options = parsed("python -m evaluate.bench", arguments)
    documents, code = [], 0
    for name, bench in benches().items():
        sys.stderr.write(f"bench {name}\n")
        try:
            documents.append(bench(options.n))
        except DegluError as error:
            code = failed(name, error)
    hand_over(documents, "\n".join(as_lines(document) for document in documents), options)
    return code


if __name__ == "__main__":
    sys.exit(main())
