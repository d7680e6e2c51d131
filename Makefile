# SPDX-License-Identifier: GPL-3.0-or-later
# Every target installs what it lacks with apt (and says what and why first). `make help` lists them.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

SWIFT ?= swift
DEPS := packaging/install-build-deps.sh
BINARY := .build/debug/slurm-grid-agent

# A Slurm that the site built itself: SLURM_PREFIX, where it is installed, and for the plugins SLURM_SOURCE, its source.
ifneq ($(SLURM_PREFIX),)
export SLURM_PREFIX SLURM_SOURCE
SWIFT_FLAGS += -Xcc -I$(SLURM_PREFIX)/include -Xlinker -L$(SLURM_PREFIX)/lib -Xlinker -rpath -Xlinker $(SLURM_PREFIX)/lib
endif

SCRATCH ?= .build-release
# One optimised build serves use, packages and benches: with Swift's libraries inside, in a folder of its own.
RELEASE = $(SWIFT) build $(SWIFT_FLAGS) -c release --static-swift-stdlib -Xlinker -z -Xlinker now --scratch-path $(SCRATCH)
RELEASED = $(SCRATCH)/release

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | column -t -s $$'\t'

.PHONY: build build-tests plugins test-tools
# BUILT=1: they have been, once, before parts of the tests run side by side; no two of them build in one folder.
ifeq ($(BUILT),1)
build build-tests plugins test-tools: ;
else
build: ## Build the agent (debug)
	@$(DEPS) build
	$(SWIFT) build $(SWIFT_FLAGS) --product slurm-grid-agent

build-tests:
	@$(DEPS) build
	$(SWIFT) build --build-tests

plugins: ## Build the Slurm plugins
	@$(DEPS) plugins
	$(MAKE) -s -C slurm-plugins all

test-tools: plugins ## Install and make what several parts of the tests need: programs, Python modules, contracts, plugins of other kinds
	@$(DEPS) build plugins deb boot && lab/install.sh --nats
	@python=$$(lab/grid/install.sh) && "$$python" -B lab/grid/artifacts.py >/dev/null
	@Tests/Page/install.sh >/dev/null && Tests/Benchmark/install.sh >/dev/null
	@$(MAKE) -s -C slurm-plugins variants spank-test-root
endif

.PHONY: release
release: ## Build the agent for use: optimised, with Swift's libraries inside
	@$(DEPS) build
	$(RELEASE) --product slurm-grid-agent

PARTS := test-unit test-configuration test-lab test-plugins test-chain test-integration test-events \
	test-clustercockpit test-jarvice test-grid test-benchmark test-page test-package

.PHONY: test
test: ## Run all tests, two parts at once (LANES=1: one after the other), and say how long each took; needs root, for the lab
	@$(DEPS) build plugins deb boot && lab/install.sh --nats
	@# Downloads beside the compiler; of apt's packages only the tools' own are left.
	@$(MAKE) -s -j2 build-tests test-tools
	@Tests/run-all.py $(PARTS)

.PHONY: one
one: ## Run one test of any kind by its name (TEST=…; TEST=--list prints all names, ARGS=… goes to a script); needs root, where it is live
	@Tests/run-one.py "$(TEST)" $(ARGS)

.PHONY: test-plugins
test-plugins: plugins ## Tests of the plugins without Slurm
	@lab/install.sh
	$(MAKE) -s -C slurm-plugins check

.PHONY: test-events
test-events: build plugins ## Every ending on a live cluster with both plugins, and a short soak; needs root
	@lab/install.sh --dbd
	$(MAKE) -s -C slurm-plugins variants
	python3 Tests/Events/endings.py
	python3 Tests/Events/launches.py
	python3 Tests/Events/boots.py
	python3 Tests/Events/robust.py
	python3 Tests/Events/late_submission.py
	python3 Tests/Events/lanes.py
	$(MAKE) -s -C slurm-plugins check-spank-live
	python3 Tests/Events/vanished_proof.py
	python3 Tests/Events/soak.py 300 15
	@lab/grid/install.sh >/dev/null
	python3 Tests/Events/stops.py 20

.PHONY: test-clustercockpit
test-clustercockpit: build plugins ## Jobs of many kinds told to doubles of ClusterCockpit's backend, under faults of all; needs root
	@lab/install.sh --nats
	$(MAKE) -s -C slurm-plugins spank-test-root
	python3 Tests/ClusterCockpit/placement.py
	python3 Tests/ClusterCockpit/completing.py
	python3 Tests/ClusterCockpit/jobs.py
	python3 Tests/ClusterCockpit/requeue.py
	python3 Tests/ClusterCockpit/publishing.py

.PHONY: test-late
test-late: build plugins ## Submissions that take effect late, in every case and with delays of up to 25 s (test-events has the short form); needs root
	@lab/install.sh
	python3 Tests/Events/late_submission.py --all

.PHONY: test-faults
test-faults: build plugins ## Faults made for real: what check, status and log say, what is typed as they say, whether it heals (TABLE=1 prints the table); needs root
	@lab/install.sh --dbd && lab/grid/install.sh >/dev/null
	python3 Tests/Faults/faults.py $(if $(TABLE),--table)

LATE_TESTS := \.Late(Answer|Grid|Submitter|Transaction)Tests

.PHONY: test-unit
test-unit: build-tests ## Tests without Slurm
	SWIFT='$(SWIFT)' Tests/run-unit.py --skip '^(Agent|Integration)Tests\.' --skip '$(LATE_TESTS)'
	@# By themselves: thousands of stories, which keep every core busy.
	SWIFT='$(SWIFT)' Tests/run-unit.py --filter '$(LATE_TESTS)'
	@# By themselves: hundreds at once leave those little time that wait for another process.
	SWIFT='$(SWIFT)' Tests/run-unit.py --filter '^AgentTests\.'

.PHONY: test-chain
test-chain: build-tests plugins ## The chain client against a test chain, with a short soak; needs root, for the agent's part
	@lab/chain/install.sh >/dev/null && lab/install.sh
	python3 Tests/Chain/tls.py
	python3 Tests/Chain/nodes.py
	python3 Tests/Chain/agent.py
	python3 Tests/Chain/soak.py 150 15 1500

.PHONY: test-grid
test-grid: build-tests plugins ## The DeepSquare gateway: contracts, services, money, jobs on a live cluster and chain, a short soak; needs root
	@lab/install.sh --dbd && lab/grid/install.sh >/dev/null
	python3 Tests/Grid/contracts.py
	python3 Tests/Grid/services.py
	python3 Tests/Grid/tls.py
	python3 Tests/Grid/joining.py
	python3 Tests/Upgrade/upgrade.py
	python3 Tests/Grid/billing.py
	python3 Tests/Grid/jobs.py
	python3 Tests/Grid/jobs_state.py
	python3 Tests/Faults/faults.py --quick
	python3 Tests/Grid/soak.py --short

.PHONY: test-benchmark
test-benchmark: build plugins ## Benchmarks with real programs on the nodes of a lab; needs root
	@lab/install.sh && Tests/Benchmark/install.sh >/dev/null
	$$(Tests/Benchmark/install.sh) Tests/Benchmark/names.py
	python3 Tests/Benchmark/live.py
	python3 Tests/Benchmark/faults.py
	python3 Tests/Benchmark/posting.py
	python3 Tests/Benchmark/precedence.py
	python3 Tests/Benchmark/soak.py 1 20
	python3 Tests/Benchmark/moving.py

.PHONY: test-apptainer
test-apptainer: build plugins ## The scripts of benchmarks with Debian unstable's apptainer; not part of `test`; needs root and Debian's mirror
	@lab/install.sh
	python3 Tests/Benchmark/apptainer.py

.PHONY: soak-benchmark
soak-benchmark: build plugins ## Benchmarks while the agent is killed and slurmctld is restarted (RUNS=10 KILLS=20 in each, SEED=); last line a JSON verdict; needs root
	@lab/install.sh && Tests/Benchmark/install.sh >/dev/null
	@python3 Tests/Benchmark/soak.py $(or $(RUNS),10) $(if $(filter command line,$(origin KILLS)),$(KILLS),20) $(SEED)

.PHONY: test-jarvice
test-jarvice: build plugins ## The JARVICE gateway on a live cluster, called by a double of an upstream; needs root
	@lab/install.sh --dbd
	python3 Tests/Jarvice/jobs.py
	python3 Tests/Jarvice/soak.py 40 6
	BINARY=$(BINARY) "$$(Tests/Page/install.sh)" -B lab/jarvice_demo.py --short

.PHONY: soak-jarvice
soak-jarvice: build plugins ## JARVICE submits while the agent is killed (JOBS=300 KILLS=40 SEED=); last line a JSON verdict; needs root
	@lab/install.sh --dbd
	@python3 Tests/Jarvice/soak.py $(if $(filter command line,$(origin JOBS)),$(JOBS),300) $(if $(filter command line,$(origin KILLS)),$(KILLS),40) $(SEED)

.PHONY: test-state
test-state: build plugins ## The state's files damaged, lost and old, in pairs and all at once, with jobs under way (CASES=108, SEED=…); needs root
	@lab/install.sh --dbd && lab/grid/install.sh >/dev/null
	python3 Tests/Grid/jobs_state.py --pairs $(SEED)

.PHONY: test-configuration
test-configuration: build-tests ## Broken configurations, given to the program; needs root, to become another user
	python3 Tests/Configuration/broken.py

.PHONY: test-page
test-page: build-tests plugins ## The status page in headless Chromium (pictures: .build/screenshots), and live on a grid; needs root
	@lab/install.sh --dbd && lab/grid/install.sh >/dev/null && Tests/Page/install.sh >/dev/null
	python3 Tests/Page/page.py
	python3 Tests/Page/examples.py
	python3 Tests/Page/live.py

.PHONY: screenshot
screenshot: build ## Take README's picture of the status page again
	@Tests/Page/install.sh >/dev/null
	python3 Tests/Page/page.py
	cp .build/screenshots/busy-desktop-light.png docs/images/status-page.png

.PHONY: test-package
test-package: build deb ## The packages on a Debian that boots in a container, and each command of the administrator's pages; needs root
	@$(DEPS) boot
	Tests/Package/words.sh
	Tests/Package/built.sh
	Tests/Package/site.sh
	python3 Tests/Package/docs.py
	python3 Tests/Package/boot.py
	@lab/grid/install.sh >/dev/null
	python3 Tests/Package/first_hour.py
	python3 Tests/Package/docs.py --boot

.PHONY: test-integration
test-integration: build-tests ## Tests on live clusters, with and without slurmdbd; needs root
	@lab/install.sh --dbd
	Tests/run-integration.sh

.PHONY: test-lab
test-lab: ## Tests of the lab itself; needs root
	python3 Tests/ClusterCockpit/recorded.py
	python3 Tests/ClusterCockpit/access.py
	python3 Tests/ClusterCockpit/rules.py
	python3 Tests/ClusterCockpit/breaking.py
	python3 Tests/ClusterCockpit/nats.py
	python3 Tests/ClusterCockpit/program.py
	python3 Tests/ClusterCockpit/hardware.py
	@lab/install.sh --dbd
	lab/test.sh

.PHONY: lint
lint: ## Check format, scripts, unit, manual pages
	@$(DEPS) lint
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests Benchmarks FuzzTesting
	python3 -m py_compile Tests/*.py Tests/*/*.py lab/*.py lab/*/*.py lab/grid/services/*.py Benchmarks/*/*.py slurm-plugins/*.py
	shellcheck -S warning -x -P SCRIPTDIR $$(git ls-files '*.sh') .ci/run
	packaging/check.sh

.PHONY: sanitize
sanitize: ## The stress test under AddressSanitizer and ThreadSanitizer; needs root
	@$(DEPS) build && lab/install.sh
	Tests/run-sanitized.sh address
	Tests/run-sanitized.sh thread

.PHONY: fuzz
fuzz: ## Fuzz the decoders (SECONDS_PER_TARGET=20)
	@$(DEPS) build
	FuzzTesting/run.sh $(SECONDS_PER_TARGET)
	$(MAKE) -s -C slurm-plugins fuzz SECONDS_PER_TARGET=$(SECONDS_PER_TARGET)

.PHONY: check-slurm-versions
check-slurm-versions: ## Build and try the C shim with Slurm 22.05, 24.11 and 26.05; needs root
	@$(DEPS) build versions && lab/install.sh
	lab/check-slurm-versions.sh

.PHONY: bench
bench: ## Measure against bare C, sbatch and ssh: one JSON object a line; needs root
	@($(DEPS) build && lab/install.sh --ssh && $(RELEASE) --product SlurmBench) >&2
	@BENCH=$(RELEASED)/SlurmBench Benchmarks/run.sh
	@$(MAKE) -s bench-events
	@$(MAKE) -s bench-chain
	@$(MAKE) -s bench-grid
	@$(MAKE) -s bench-daemon
	@$(MAKE) -s bench-jarvice
	@$(MAKE) -s bench-clustercockpit

.PHONY: bench-clustercockpit
bench-clustercockpit: ## The part of it about ClusterCockpit: first sync, start to row, idle; needs root
	@($(DEPS) build plugins && lab/install.sh && $(RELEASE) --product slurm-grid-agent && \
		$(MAKE) -s -C slurm-plugins all) >&2
	@BINARY=$(RELEASED)/slurm-grid-agent Benchmarks/clustercockpit/cockpit.py

.PHONY: bench-chain
bench-chain: ## The part of it about the chain client
	@($(DEPS) build && lab/chain/install.sh && $(RELEASE) --product ChainBench) >&2
	@Benchmarks/chain/chain.py

.PHONY: bench-grid
bench-grid: ## The part of it about the grid: from the chain to Slurm and back; needs root
	@($(DEPS) build plugins && lab/install.sh && lab/grid/install.sh && \
		$(RELEASE) --product slurm-grid-agent && $(MAKE) -s -C slurm-plugins all) >&2
	@BINARY=$(RELEASED)/slurm-grid-agent Benchmarks/grid/grid.py

.PHONY: bench-daemon
bench-daemon: ## The part of it about the daemon: how soon it is ready, its memory, the packages' sizes; needs root
	@($(DEPS) build plugins && lab/install.sh && lab/grid/install.sh && \
		$(RELEASE) --product slurm-grid-agent && \
		$(RELEASE) --product SlurmBench && $(MAKE) -s -C slurm-plugins all) >&2
	@BINARY=$(RELEASED)/slurm-grid-agent Benchmarks/daemon/daemon.py
	@BINARY=$(RELEASED)/slurm-grid-agent BENCH=$(RELEASED)/SlurmBench Benchmarks/daemon/queue.py

.PHONY: bench-jarvice
bench-jarvice: ## The part of it about JARVICE: our calls against ssh with squeue, sbatch and sacct; needs root
	@($(DEPS) build plugins && lab/install.sh --ssh && $(RELEASE) --product slurm-grid-agent && \
		$(RELEASE) --product RelayBench && $(MAKE) -s -C slurm-plugins all) >&2
	@BINARY=$(RELEASED)/slurm-grid-agent RELAY=$(RELEASED)/RelayBench Benchmarks/jarvice/jarvice.py

.PHONY: bench-events
bench-events: ## The part of it about events: plugins, ledger, idle agent
	@($(DEPS) build plugins && lab/install.sh && $(RELEASE) --product slurm-grid-agent && \
		$(MAKE) -s -C slurm-plugins all) >&2
	@$(MAKE) -s -C slurm-plugins bench
	@BINARY=$(RELEASED)/slurm-grid-agent Benchmarks/events/events.py

JOBS ?= 2000
KILLS ?= 100
.PHONY: soak
soak: build plugins ## Jobs while the agent and slurmctld are killed (JOBS=2000 KILLS=100 SEED=); last line a JSON verdict; needs root
	@lab/install.sh --dbd
	@python3 Tests/Events/soak.py $(JOBS) $(KILLS) $(SEED)

.PHONY: soak-slurmdbd-stopped
soak-slurmdbd-stopped: build plugins ## The same while slurmdbd hangs from the first job to the last (JOBS=2000 KILLS=100 SEED=); needs root
	@lab/install.sh --dbd
	@python3 Tests/Events/soak.py --slurmdbd-stopped $(JOBS) $(KILLS) $(SEED)

STOPS ?= 200
.PHONY: soak-stops
soak-stops: build plugins ## SIGTERM at random instants of an agent with a grid's jobs, idle, beside others, and with 5 % of a CPU (STOPS=200 SEED=); last line a JSON verdict; needs root
	@lab/install.sh --dbd && lab/grid/install.sh >/dev/null
	@python3 Tests/Events/stops.py $(STOPS) $(SEED)

INTENTS ?= 1000
LOGS ?= 10000
.PHONY: soak-chain
soak-chain: build-tests ## Transactions and logs while the client is killed and nodes misbehave (INTENTS=1000 KILLS=100 LOGS=10000 SEED= OUTAGE=15, in s); last line a JSON verdict
	@lab/chain/install.sh >/dev/null
	@python3 Tests/Chain/soak.py $(INTENTS) $(KILLS) $(LOGS) $(SEED) $(if $(OUTAGE),--outage $(OUTAGE))

.PHONY: soak-grid
soak-grid: build plugins ## Jobs of the grid while agent, slurmctld, nodes, services and chain fail (JOBS=300 KILLS=40 SEED= OUTAGE=60, in s; DAMAGES=0), in both finality profiles; needs root
	@lab/install.sh --dbd && lab/grid/install.sh >/dev/null
	@python3 Tests/Grid/soak.py $(if $(filter command line,$(origin JOBS)),$(JOBS),300) $(if $(filter command line,$(origin KILLS)),$(KILLS),40) \
		$(SEED) $(if $(OUTAGE),--outage $(OUTAGE)) $(if $(DAMAGES),--damage $(DAMAGES))

.PHONY: soak-clustercockpit
soak-clustercockpit: build plugins ## The same with many jobs and kills of the agent (JOBS=2000 KILLS=100 SEED=1); last line a JSON verdict; needs root
	@lab/install.sh --dbd >&2
	@$(MAKE) -s -C slurm-plugins spank-test-root >&2
	@python3 Tests/ClusterCockpit/jobs.py $(JOBS) $(KILLS) $(if $(SEED),$(SEED),1)

.PHONY: soak-scale
soak-scale: ## A ledger of millions of jobs: start, status, prune and lists within their bounds (JOBS=5000000); last line a JSON verdict; needs root
	@($(DEPS) build && lab/install.sh && $(RELEASE) --product ScaleDriver && \
		$(RELEASE) --product slurm-grid-agent && $(MAKE) -s -C slurm-plugins all) >&2
	@DRIVER=$(RELEASED)/ScaleDriver BINARY=$(RELEASED)/slurm-grid-agent \
		python3 Tests/Scale/scale.py $(if $(filter command line environment,$(origin JOBS)),$(JOBS),5000000)

.PHONY: protocol
protocol: build ## Generate the Swift code of the grid's gRPC services (committed)
	@packaging/generate-protocol.sh

.PHONY: chain-up
chain-up: ## Start a test chain in the background
	@lab/chain/up.sh

.PHONY: chain-down
chain-down: ## End it
	@lab/chain/down.sh

.PHONY: grid-up
grid-up: ## Start a grid for any agent to join, in the background, and print what to configure (GRID_HOST=127.0.0.1 GRID_USER=)
	@GRID_HOST="$(GRID_HOST)" GRID_USER="$(GRID_USER)" lab/grid/up.sh

.PHONY: grid-down
grid-down: ## End it
	@lab/grid/down.sh

.PHONY: soak-calls
soak-calls: build-tests ## Calls to Slurm while its daemons are killed and paused (SOAK_SECONDS=60); last line a JSON verdict; needs root
	@lab/install.sh
	@Tests/run-soak.sh

# Not $(MAKE), which would make of `make -n demo` a run.
.PHONY: demo
demo: ## The main job from nothing: a cluster, a chain, a grid's jobs and their ends (KEEP=1 leaves it running); needs root
	@SECONDS=0 && $(DEPS) build plugins && lab/install.sh && Tests/Benchmark/install.sh --programs && python=$$(lab/grid/install.sh) && installed=$$SECONDS && \
		make -s build plugins && "$$python" -B lab/grid/artifacts.py >/dev/null && \
		BINARY=$(BINARY) lab/demo.py --installed $$installed --built $$((SECONDS - installed))

.PHONY: demo-jarvice
demo-jarvice: ## JARVICE from nothing: a cluster, an upstream, a job of each ending, a session in Chromium; needs root
	@$(DEPS) build plugins && lab/install.sh && python=$$(Tests/Page/install.sh) && make -s build plugins && \
		BINARY=$(BINARY) "$$python" -B lab/jarvice_demo.py

.PHONY: deb
deb: ## Build the Debian packages into .build/deb: about 10 minutes the first time
	@$(DEPS) build plugins deb
	@packaging/deb/build.sh

.PHONY: test-own-slurm
test-own-slurm: ## Build the Slurm of SLURM_SOURCE, the agent beside it, install and try both; needs root
	@$(DEPS) build plugins
	@Tests/Package/own-slurm.sh "$(SLURM_SOURCE)"

.PHONY: deb-trixie
deb-trixie: ## Build the Debian packages for Debian 13, in a root of its own, and try them there; needs root
	@$(DEPS) build versions
	@packaging/deb/trixie.sh

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
	$(MAKE) -s -C slurm-plugins clean
