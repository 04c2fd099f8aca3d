# Each target sets everything up by itself: a virtual environment in .venv, pinned versions, no root.
# make PYTHON=/usr/bin/python3.12 ... chooses the interpreter.

PYTHON ?= python3
READY = .venv/.ready

.PHONY: demo test check bench docs lock
.SILENT:

demo: $(READY) ## a scanner, the gateway and a PACS on this machine
	.venv/bin/gateway demo

test: $(READY) ## all tests; real DICOM peers are installed where that is allowed
	scripts/peers
	PYTHON=$(PYTHON) scripts/validators
	scripts/viewers
	scripts/identity
	# one process more than there are cores, as now and then one waits for a peer; more threads would wait for each other
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest --numprocesses=$$(($$(nproc) + 1)) --dist=loadfile $(ARGS)

check: $(READY) ## format, lint, types, architecture, generated pages
	scripts/check

bench: $(READY) ## all benchmarks
	.venv/bin/python -m benchmarks $(ARGS)

docs: $(READY) ## write the generated pages anew
	.venv/bin/python scripts/docs.py

lock: ## choose versions anew: requirements.lock
	PYTHON=$(PYTHON) scripts/lock

$(READY): requirements.lock pyproject.toml
	PYTHON=$(PYTHON) scripts/venv .venv
	touch $@
