"""Gates by expression: what they state, and where they are wrong."""

import pytest

from evaluate.gates import EXAMPLE, Gate, read_gate
from evaluate.measures.names import MEASURES

READ = {
    EXAMPLE: ("nDCG@10", "asterisk test fr->en", 0.2, "hybrid", 64),
    "recall@10[radio dev text-to-text]>=1": ("R@10", "radio dev text-to-text", 1.0, "late-fusion", None),
    " ndcg@10 [ asterisk test fr→en , system = ridge ] >= .5 ": ("nDCG@10", "asterisk test fr->en", 0.5, "ridge", None),
    "ndcg@10[a, b [c] dev, dim=8] >= 0": ("nDCG@10", "a, b [c] dev", 0.0, "late-fusion", 8),  # a label of the user's
}


@pytest.mark.parametrize("text", READ)
def test_an_expression_is_read(text: str) -> None:
    measure, task, least, system, dim = READ[text]
    assert read_gate(text) == Gate(text, measure, task, least, system, dim)


WRONG = {
    "ndcg@10 >= 0.5": r"at its end: \[ is missing; write it as ndcg",
    "ndcg@10[a dev >= 0.5": r"at its end: \] is missing",
    "ndcg[a dev] >= 0.5": r"at character 1, 'ndcg\[a dev\]': no measure is called 'ndcg'; give one of nDCG@k",
    "ndcg@10[a dev, dims=64] >= 0.5": r"at character 16, 'dims=64\] >=': 'dims' is no option; give dim or system",
    "ndcg@10[a dev, dim=64, dim=8] >= 0.5": r"at character 16, .*: 'dim' is given twice; remove one",
    "ndcg@10[a dev, dim=full] >= 0.5": r"at character 20, 'full\] >= 0.5': dim is 'full'; give a width",
    "ndcg@10[a dev, system=oracle] >= 0.5": r"at character 23, .*: no system is called 'oracle'; give one of late",
    "ndcg@10[] >= 0.5": "at character 9, .*: the task is missing",
    "ndcg@10[a dev] > 0.5": "at character 15, '> 0.5': write >= and one number",
    "ndcg@10[a dev] >= 0.5 0.6": "at character 23, '0.6': write >= and one number",
    "ndcg@10[a dev] >= half": "at character 19, 'half': 'half' is no number",
    "ndcg@10[a dev] >=": "at its end: '' is no number",
    "ndcg@10[a dev] >= 50": "at character 19, '50': 50 is not from 0 to 1",
    "ndcg@10[a dev] >= nan": "at character 19, 'nan': nan is not from 0 to 1",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_with_its_place(text: str) -> None:
    with pytest.raises(ValueError, match=WRONG[text]):
        read_gate(text)


def test_every_measure_of_a_report_may_have_a_gate() -> None:
    for measure in MEASURES:
        assert read_gate(f"{measure.lower()}[a dev] >= 0.5").measure == measure
