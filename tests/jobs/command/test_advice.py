"""Advice that can be copied into the shell."""

import pytest

from embed.errors import InputError
from jobs.command.advice import Advice
from jobs.command.output import Plain


def test_the_spec_of_the_running_command_replaces_its_placeholder() -> None:
    advice = Advice("index", "my specs/index.yaml", ["output=/data/index"])
    result = advice.result(Plain({"rows": 3}, "kept: deglu index SPEC --compact, or deglu embed SPEC", exit_code=3))
    given = "'my specs/index.yaml' --set output=/data/index"
    assert result.text() == f"kept: deglu index {given} --compact, or deglu embed SPEC"  # that is another spec
    assert (result.document(), result.exit_code) == ({"rows": 3}, 3)


def test_errors_have_it_too_and_verbs_that_share_a_spec() -> None:
    with pytest.raises(InputError, match=r"^run `deglu embed my\.yaml` first$"), Advice("retry", "my.yaml").errors():
        raise InputError("run `deglu embed SPEC` first")
