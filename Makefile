# Everything runs in its own virtual environment; PYTHON picks the interpreter (3.11 or later).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-long lint format docs clean

demo: $(READY)
	$(BIN)/nanogpt prepare --force
	$(BIN)/nanogpt train --data-dir data/demo --time 3m --out-dir out/demo --force
	$(BIN)/nanogpt chat demo --seed 1 --temperature 0.5 -p "my dog is ill and i am so worried"
	@echo
	@echo "Talk to it:  $(BIN)/nanogpt chat demo"

test: $(READY) lint
	$(BIN)/pytest

test-long: $(READY)
	$(BIN)/pytest -m long -s --durations=0

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY)
	$(BIN)/python docs/make_reference.py

clean:
	rm -rf $(VENV) build dist

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
