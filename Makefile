# Everything runs in its own virtual environment; PYTHON picks the interpreter (3.11 or later).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
AUDIT := .venv-audit

.PHONY: demo test test-long lint audit format docs pictures clean

demo: $(INSTALLED)
	$(BIN)/nanogpt prepare --force
	$(BIN)/nanogpt train --data-dir data/demo --time 3m --weight-decay 0.02 --out-dir out/demo --force
	$(BIN)/nanogpt chat demo --seed 1 -p "my dog is ill and i am so worried"
	@echo
	@echo "Talk to it:  $(BIN)/nanogpt chat demo"

test: $(READY) lint
	$(BIN)/pytest -n logical --maxprocesses 8 --dist worksteal

test-long: $(READY)
	$(BIN)/pytest -m long -s --durations=0

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

# Whether the dependencies are the ones imported, and whether a pinned version is known to be
# vulnerable. What could not be looked up fails: an audit that asked nobody is no clean one.
audit: $(READY) $(AUDIT)/.ready
	$(BIN)/deptry .
	@$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
	    -r constraints.txt -r constraints-audit.txt 2>$(AUDIT)/log || { \
	    grep '^Found' $(AUDIT)/log || \
	    echo "error: no audit was made: $$(tail -n 1 $(AUDIT)/log)" >&2; exit 1; }

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY)
	$(BIN)/python docs/make_reference.py

# The README's pictures, of the model that `make demo` leaves; needs tmux, and some minutes.
pictures: $(READY)
	$(BIN)/python docs/make_pictures.py

clean:
	rm -rf $(VENV) $(AUDIT) build dist

# The program alone, and what its checks need too.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(READY): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

$(AUDIT)/.ready: constraints.txt constraints-audit.txt
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -c constraints-audit.txt pip-audit
	touch $@
