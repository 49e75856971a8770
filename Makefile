# Everything a developer or an operator starts. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
UNIT_TESTS := $(BIN)/pytest -n 4 --dist worksteal --durations=25 -m "not vm and not e2e"
SECOND_TRY := --reruns 1 --max-suite-reruns 5 --rerun-show-tracebacks
STATE_DIR ?= /var/lib/coriolis
LAB_ROOT ?= /var/lib/coriolis-lab

OPENSTACK_ROOT ?= /var/lib/coriolis-openstack
OPENSTACK := $(BIN)/python -m testbed.openstack --root $(OPENSTACK_ROOT)

.PHONY: help setup openstack-up openstack-down openstack-status openstack-smoke openstack-purge test-openstack test-ovirt test-pythons demo demo-down test test-fast chaos bench bench-engine lint fmt serve lab lab-down lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## install Debian packages and the virtual environment (idempotent)
	@scripts/setup

demo: setup ## the main job on the embedded clouds: replicate twice, deploy, log in (DEMO_OPENSTACK=real: your cloud as source)
	@$(BIN)/python -m demo

demo-down: ## stop what `make demo` left running for you to look at
	@$(BIN)/python -m demo --down

test: setup lint ## lint, unit, conformance and end-to-end tests
	@$(BIN)/coriolis-lab images
	@$(UNIT_TESTS) $(SECOND_TRY)
	@$(BIN)/pytest -m "vm or e2e" $(SECOND_TRY)

test-fast: setup ## the tests that boot no virtual machine
	@$(UNIT_TESTS)

chaos: setup ## the engine under kill -9, paused processes, dead databases, full disks: the whole matrix
	@unshare --mount --propagation private -- $(BIN)/python -W ignore -m tests.chaos

bench: ## the data path beside dd, nbdcopy, qemu-img and rsync, and its targets (BENCH="--quick": does it work at all)
	@scripts/setup bench/packages.txt
	@$(BIN)/python -c 'import matplotlib' 2>/dev/null || $(BIN)/pip install -q --disable-pip-version-check 'matplotlib>=3.9'
	@$(BIN)/python -m bench.data $(BENCH)

bench-engine: setup ## jobs a minute, start latency and statements a step, beside their targets
	@$(BIN)/python -m bench.engine --profile

lint: setup ## ruff, mypy --strict and the walls between the packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/reference --check

fmt: setup ## format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

serve: setup ## run Coriolis embedded: API, conductor and SQLite in one process
	@$(BIN)/coriolis serve --state-dir $(STATE_DIR)

lab: setup ## bring the embedded clouds up
	@$(BIN)/coriolis-lab up --root $(LAB_ROOT)

lab-down: setup ## stop the embedded clouds and every VM in them
	@$(BIN)/coriolis-lab down --root $(LAB_ROOT)

openstack-up: setup ## a real OpenStack with Ceph and Swift on this machine (as root; minutes the first time)
	@$(OPENSTACK) up

openstack-down: ## stop it; servers and volumes stay for the next openstack-up
	@$(OPENSTACK) down

openstack-status: ## which of its services run, what they hold of the memory
	@$(OPENSTACK) status

openstack-smoke: openstack-up ## boot a guest on it, write, back up to Swift and Ceph, compare
	@$(OPENSTACK) smoke

openstack-purge: ## stop it and forget everything that is on it
	@$(OPENSTACK) purge

test-pythons: setup ## what runs on worker VMs, with every Python of this machine and 3.14 from Debian's testing suite
	@scripts/newer-python
	@$(BIN)/pytest tests/unit/agent tests/unit/transfer/test_worker_pythons.py

test-ovirt: setup ## the lab's oVirt under clients nobody here wrote: Ansible's ovirt.ovirt, ovirt-img, backups
	@scripts/ovirt-clients
	@$(BIN)/pytest -n 3 --dist loadfile tests/conformance/ovirt
	@$(BIN)/pytest -m ovirt_clients tests/ovirt_clients

test-openstack: openstack-up ## real guests cross from the real OpenStack, faults included; writes the table of figures
	@OPENSTACK_ROOT=$(OPENSTACK_ROOT) $(BIN)/pytest -s -m openstack_real tests/openstack_real
	@$(BIN)/python -m tests.openstack_real.report --root $(OPENSTACK_ROOT)

lock: setup ## pin the newest allowed versions in requirements.lock
	@$(BIN)/pip install -q uv
	@$(BIN)/uv pip compile -q --extra dev --python $(BIN)/python pyproject.toml -o requirements.lock --generate-hashes --no-emit-index-url --no-emit-find-links --upgrade
