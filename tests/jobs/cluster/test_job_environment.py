"""Variables that may be passed to a job, and those that may not."""

import pytest

from embed.errors import SpecError
from jobs.cluster.job_environment import job_environment


def test_only_named_variables_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert job_environment(["AWS_ENDPOINT_URL"]) == {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}


@pytest.mark.parametrize(("name", "cure"), [("HOME", "only variables named"), ("AWS_NOT_SET_HERE", "export it first")])
def test_a_variable_that_may_not_travel(name: str, cure: str) -> None:
    with pytest.raises(SpecError, match=cure):
        job_environment([name])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "abc"),
        ("AWS_SESSION_TOKEN", "abc"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "abc"),
        ("DEGLU_PASSWORD", "abc"),
        ("DEGLU_API_KEY", "abc"),
        ("AWS_ENDPOINT_URL", "https://user:abc@storage.example"),
        ("AWS_ENDPOINT_URL_S3", "https://storage.example/?token=abc"),
    ],
)
def test_a_secret_is_refused_with_the_ways_to_give_it(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SpecError, match=f"^--env {name}: its value is a secret, .* give the keys to") as refused:
        job_environment([name])
    assert "abc" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_PROFILE", "radio"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/run/keys"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.2/v2"),
        ("AWS_ACCESS_KEY_ID", "AKIA"),  # an identifier, no key
        ("DEGLU_STORAGE_PATIENCE_S", "9"),
    ],
)
def test_what_is_no_secret_is_passed(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert job_environment([name]) == {name: value}
