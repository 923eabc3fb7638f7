"""Names of measures, as ir-measures spells them; specs are validated by them, so they load no numpy."""

import re
from functools import cache

CUTOFF = 10
DEPTH = 100  # documents of each query that a run keeps, and the largest cutoff
NDCG, RECALL = "nDCG@10", "R@10"
MEASURES = (NDCG, "nDCG@5", RECALL, "R@100", "RR@10", "Success@1")
FAMILIES = {"ndcg": "nDCG", "r": "R", "recall": "R", "rr": "RR", "mrr": "RR", "success": "Success"}


def measure_name(text: str) -> str:
    """The measure's name as ir-measures spells it: `nDCG@10` of `ndcg@10`, `RR@10` of `mrr@10`.  Raises ValueError."""
    family, cutoff = parsed(text)
    return f"{family}@{cutoff}"


@cache
def parsed(text: str) -> tuple[str, int]:
    """Family and cutoff of a measure: `("nDCG", 10)`.  Raises ValueError."""
    found = re.fullmatch(r"\s*([A-Za-z]+)@(\d{1,3})\s*", text)
    if not found or found[1].lower() not in FAMILIES or not 1 <= int(found[2]) <= DEPTH:
        known = ", ".join(f"{one}@k" for one in dict.fromkeys(FAMILIES.values()))
        raise ValueError(f"no measure is called {text!r}; give one of {known}, with k of 1 to {DEPTH}")
    return FAMILIES[found[1].lower()], int(found[2])
