# SPDX-License-Identifier: GPL-3.0-or-later
# Every target installs what it lacks with apt (and says what and why first). `make help` lists them.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

SWIFT ?= swift
DEPS := packaging/install-build-deps.sh
BINARY := .build/debug/slurm-grid-agent

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | column -t -s $$'\t'

.PHONY: build
build: ## Build the agent (debug)
	@$(DEPS) build
	$(SWIFT) build --product slurm-grid-agent

.PHONY: release
release: ## Build the agent for use: optimised, with Swift's libraries inside
	@$(DEPS) build
	$(SWIFT) build -c release --static-swift-stdlib --product slurm-grid-agent

.PHONY: test
test: test-lab test-unit test-integration ## Run all tests; needs root, for the lab

.PHONY: build-tests
build-tests:
	@$(DEPS) build
	$(SWIFT) build --build-tests

.PHONY: test-unit
test-unit: build-tests ## Tests without Slurm
	$(SWIFT) test --skip-build --filter 'SlurmTests|AgentTests'

.PHONY: test-integration
test-integration: build-tests ## Tests on live clusters, with and without slurmdbd; needs root
	@lab/install.sh --dbd
	Tests/run-integration.sh

.PHONY: test-lab
test-lab: ## Tests of the lab itself; needs root
	@lab/install.sh --dbd
	lab/test.sh

.PHONY: lint
lint: ## Check format and scripts
	@$(DEPS) lint
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests Benchmarks FuzzTesting
	shellcheck -S warning -x -P SCRIPTDIR $$(git ls-files '*.sh') .ci/run

.PHONY: sanitize
sanitize: ## The stress test under AddressSanitizer and ThreadSanitizer; needs root
	@$(DEPS) build && lab/install.sh
	Tests/run-sanitized.sh address
	Tests/run-sanitized.sh thread

.PHONY: fuzz
fuzz: ## Fuzz the decoders (SECONDS_PER_TARGET=20)
	@$(DEPS) build
	FuzzTesting/run.sh $(SECONDS_PER_TARGET)

.PHONY: check-slurm-versions
check-slurm-versions: ## Build and try the C shim with Slurm 22.05, 24.11 and 26.05; needs root
	@$(DEPS) build versions && lab/install.sh
	lab/check-slurm-versions.sh

.PHONY: bench
bench: ## Measure against bare C, sbatch and ssh: one JSON object a line; needs root
	@($(DEPS) build && lab/install.sh --ssh) >&2
	@Benchmarks/run.sh

.PHONY: soak
soak: build-tests ## Calls while daemons are killed and paused (SOAK_SECONDS=60); last line a JSON verdict; needs root
	@lab/install.sh
	@Tests/run-soak.sh

.PHONY: demo
demo: build ## The main job from nothing: a cluster, a job for a user, its end; needs root
	@lab/install.sh
	@BINARY=$(BINARY) lab/demo.sh

.PHONY: deb
deb: ## Build the Debian package (so far: the commands)
	@$(DEPS) build deb
	@packaging/deb/build.sh

.PHONY: lab-up
lab-up: ## Start a throwaway Slurm cluster (knobs: lab/README.md); needs root
	@lab/install.sh $(if $(filter 1,$(LAB_DBD)),--dbd)
	@lab/slurm-up.sh

.PHONY: lab-down
lab-down: ## Stop it and remove what it left; needs root
	@lab/slurm-down.sh

.PHONY: clean
clean: ## Remove what was built
	rm -rf .build .build-*
