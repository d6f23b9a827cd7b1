# The one front door: names and order. What each does stands in the tool it calls.
.DEFAULT_GOAL := help
.PHONY: help setup hello check test mutants faults storm bench bench-peers bench-controller e2e cluster cluster-api generate clean

help:      ## say what there is
	@grep -E '^[a-z0-9-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 18
setup:     ## make .venv with everything that uv.lock names
	@tools/setup
hello: setup     ## run the hello mesh and print its result
	@tools/hello
check: setup     ## formats, lints, types, import rules
	@tools/check
test: setup     ## check, then every test
	@tools/test
e2e: setup     ## images, Kubernetes with KEDA and real pods: the end-to-end part of the tests, and build/bench-e2e.json
	@tools/test tests/images tests/e2e
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
cluster: setup ## a whole Kubernetes with the mesh in it to work with by hand, until Ctrl-C; needs root
	@tools/cluster-binaries >/dev/null && .venv/bin/python -m tests.support.kube --node
cluster-api: setup ## a Kubernetes control plane to work with by hand, until Ctrl-C
	@tools/cluster-binaries control-plane >/dev/null && .venv/bin/python -m tests.support.kube
generate: setup     ## write every generated file anew
	@.venv/bin/python tools/generate.py && .venv/bin/python schemas/golden/generate.py
clean:     ## remove what the targets above made
	@rm -rf .venv build dist .asya .mypy_cache .ruff_cache .pytest_cache .hypothesis
