# The one front door: names and order. What each does stands in the tool it calls.
.DEFAULT_GOAL := help
.PHONY: help setup hello check test mutants faults storm bench bench-peers bench-controller cluster-api generate clean

help:      ## say what there is
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 18
setup:     ## make .venv with everything that uv.lock names
	@tools/setup
hello: setup     ## run the hello mesh and print its result
	@tools/hello
check: setup     ## formats, lints, types, import rules
	@tools/check
test: setup     ## check, then every test
	@tools/test
mutants: setup     ## plant bugs one at a time, each must be caught
	@.venv/bin/python tools/mutants.py
faults: setup     ## search for faults longer than a test may, and anew
	@tools/faults
storm: setup     ## 100,000 envelopes while everything is killed, the ledger as a table; an hour
	@.venv/bin/python -m tests.faults.storm_main $(STORM)
bench: setup     ## measure, write build/bench.json, print the table
	@.venv/bin/python -m bench
bench-peers: setup     ## the same work on Celery, Dramatiq, FastStream and Taskiq; build/bench-peers.json
	@tools/bench-peers
bench-controller: setup ## measure the controller on a real API server; build/bench-controller.json
	@tools/bench-controller
cluster-api: setup ## a Kubernetes control plane to work with by hand, until Ctrl-C
	@tools/cluster-binaries control-plane >/dev/null && .venv/bin/python -m tests.support.kube
generate: setup     ## write every generated file anew
	@.venv/bin/python tools/generate.py && .venv/bin/python schemas/golden/generate.py
clean:     ## remove what the targets above made
	@rm -rf .venv build dist .asya .mypy_cache .ruff_cache .pytest_cache .hypothesis
