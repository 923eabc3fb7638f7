import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from embed.dataset.job import next_job, open_job, read_job
from embed.errors import InputError, SpecError, StorageError
from embed.storage.store import join, listing, write_bytes

DEFINING = {"encoder": {"name": "e5", "layers": (1, 2)}, "window_s": 30}


def test_an_equal_spec_goes_on_with_what_stands(storage_url: str) -> None:
    first = open_job(storage_url, DEFINING, [384, 192], "s", "e")
    again = open_job(storage_url + "/", dict(reversed(DEFINING.items())), (384, 192), "s", "e")
    assert again == first == read_job(storage_url)
    assert first.dims == (384, 192)
    assert len(listing(storage_url)) == 1


def test_a_changed_spec_is_refused_field_by_field(storage_url: str) -> None:
    open_job(storage_url, DEFINING, [384], "s", "e1")
    changed = {"encoder": {"name": "e5", "layers": [1, 3]}, "step_s": 15}
    with pytest.raises(SpecError) as caught:
        open_job(storage_url, changed, [384], "s", "e2")
    assert str(caught.value) == (
        f"{storage_url} was begun with another spec: "
        'encoder is "e1" in the output and "e2" in this spec; '
        "spec.encoder.layers is [1, 2] in the output and [1, 3] in this spec; "
        "spec.step_s is missing in the output and 15 in this spec; "
        "spec.window_s is 30 in the output and missing in this spec; "
        "choose another output, or embed into this one again with --new-version"
    )


def test_workers_can_carry_a_job(storage_url: str) -> None:
    job = open_job(storage_url, DEFINING, [4, 2], "s", "e")
    assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301 - our own bytes
    metadata = job.row_schema(unit="u").metadata
    assert metadata[b"deglu.dims"] == b"4,2"
    assert metadata[b"deglu.metric"] == b"cosine"


def test_no_output_and_a_damaged_one_are_named(storage_url: str) -> None:
    with pytest.raises(InputError, match="there is no output of `deglu embed` here"):
        read_job(storage_url)
    write_bytes(join(storage_url, "jobs", "00000001.json"), b'{"format": 1')
    with pytest.raises(StorageError, match=r"00000001\.json: damaged"):
        read_job(storage_url)


def test_another_spec_is_the_next_job_when_that_is_asked_for(storage_url: str) -> None:
    first = open_job(storage_url, DEFINING, [384], "s", "e1")
    second = open_job(storage_url, DEFINING, [384], "s", "e2", new_version=True)
    assert (first.number, second.number) == (1, 2)
    assert open_job(storage_url, DEFINING, [384], "s", "e2", new_version=True) == second == read_job(storage_url)
    assert read_job(storage_url, 1) == first
    with pytest.raises(SpecError, match='encoder is "e2" in the output and "e1" in this spec'):
        open_job(storage_url, DEFINING, [384], "s", "e1")
    with pytest.raises(InputError, match="there is no job 3 here"):
        read_job(storage_url, 3)


def test_of_many_that_begin_at_once_one_creates_the_job(storage_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(lambda _: open_job(storage_url, DEFINING, [4], "s", "e"), range(4)))
    assert len({job.nonce for job in jobs}) == 1
    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(lambda n: open_job(storage_url, DEFINING, [4], "s", f"e{n}", new_version=True), range(4)))
    assert sorted(job.number for job in jobs) == [2, 3, 4, 5]


def test_the_next_job_is_known_before_anything_is_written(storage_url: str) -> None:
    first, differences = next_job(storage_url, DEFINING, [384], "s", "e")
    assert (first.number, differences, listing(storage_url)) == (1, [], [])
    begun = open_job(storage_url, DEFINING, [384], "s", "e")
    assert next_job(storage_url, DEFINING, [384], "s", "e") == (begun, [])
    second, differences = next_job(storage_url, DEFINING, [384], "s", "e2")
    assert (second.number, differences) == (2, ['encoder is "e" in the output and "e2" in this spec'])
    assert len(listing(storage_url)) == 1
