# One word each, all through the presets of CMakePresets.json. `make help` lists them.
#   ARGS="..."  is added to the program's command line      DATASET= MODE= RUN= CONFIG=  choose what to run
#   PEERS="..." is added to the command line of benches/peers.py (--filter REGEX --threads N --no-compile)
#   JOBS=n      compilers at a time                         CMAKE_ARGS="-D..."  extra options: configures anew
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

DATASET ?= MNIST
MODE ?= vanilla
RUN ?= last
CONFIG ?=
ARGS ?=
CMAKE_ARGS ?=
FUZZ_SECONDS ?= 60
PEERS ?=
KAEM := build/kaem
# A file that includes LibTorch takes up to 1.5 GB to compile.
JOBS ?= $(shell n=$$(nproc); m=$$(awk '/MemTotal/ {print int($$2 / 1572864)}' /proc/meminfo); \
          [ $$m -ge 1 ] || m=1; echo $$((n < m ? n : m)))
GENERATOR := $(if $(shell command -v ninja),,-G "Unix Makefiles")
CLANG_FORMAT ?= $(if $(shell command -v clang-format-14),clang-format-14,clang-format)
PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
OWN_SOURCES := git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cpp' '*.cu'
config_option = $(if $(CONFIG),--config $(CONFIG))

# configure_and_build(folder, preset, target or all): configures only where there is no build yet (or CMAKE_ARGS asks for it), as CMake
# itself looks after changed build files.
define configure_and_build
	@[ -z "$(CMAKE_ARGS)" ] && { [ -f $(1)/build.ninja ] || [ -f $(1)/Makefile ]; } || \
	  cmake --preset $(2) $(GENERATOR) $(CMAKE_ARGS)
	@cmake --build $(1) --parallel $(JOBS) $(if $(3),--target $(3))
endef

##@ Setting up
.PHONY: install build help clean
install: ## Install system packages (Debian/Ubuntu), .venv with LibTorch, and build
	@bash scripts/install.sh

build: ## Build build/kaem and the tests (release)
	$(call configure_and_build,build,release)

clean: ## Remove all build folders (runs, data and .venv stay)
	rm -rf build build-dev build-tsan build-cuda build-fuzz build-portable build-portable-objects build-replay

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+( [a-z-]+)*:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo 'Variables: DATASET=$(DATASET) MODE=$(MODE) RUN=$(RUN) CONFIG=file ARGS="--set TRAINING.seed=2 ..." JOBS=$(JOBS) CMAKE_ARGS="-D..."'

##@ Training and results
.PHONY: train train-vanilla train-thermo train-variational train-sequential sequential tune data bench
train: build ## Train on DATASET in MODE (vanilla, thermo, variational)
	$(KAEM) train --dataset $(DATASET) --mode $(MODE) $(config_option) $(ARGS)

train-vanilla: build ## Train on DATASET by importance sampling or Langevin, as its configuration says
	$(KAEM) train --dataset $(DATASET) --mode vanilla $(config_option) $(ARGS)

train-thermo: build ## Train on DATASET with tempering and thermodynamic integration
	$(KAEM) train --dataset $(DATASET) --mode thermo $(config_option) $(ARGS)

train-variational: build ## Train on DATASET with an encoder
	$(KAEM) train --dataset $(DATASET) --mode variational $(config_option) $(ARGS)

train-sequential: build ## Run the jobs in CONFIG (default jobs.txt) one after another
	$(KAEM) jobs $(if $(CONFIG),$(CONFIG),jobs.txt) $(ARGS)

sequential: train-sequential ## The same as train-sequential

tune: build ## Search over hyperparameters for DATASET
	$(KAEM) tune --dataset $(DATASET) $(config_option) $(ARGS)

data: build ## Download DATASET and check it
	$(KAEM) data fetch $(DATASET) $(ARGS)

bench: build ## Run the benchmarks, each against its floor, then the same shapes in PyTorch
	$(KAEM) bench --json build/bench.json $(ARGS)
	$(PYTHON) benches/peers.py --against build/bench.json --json build/peers.json $(PEERS)

.PHONY: sample evaluate plot report
sample: build ## Draw samples from the trained RUN (a run's folder, or last)
	$(KAEM) sample $(RUN) $(ARGS)

evaluate: build ## Evaluate the trained RUN
	$(KAEM) evaluate $(RUN) $(ARGS)

plot: build ## Pictures of RUN
	$(KAEM) plot $(RUN) $(ARGS)

report: build ## One page about RUN
	$(KAEM) report $(RUN) $(ARGS)

##@ Checking
.PHONY: test check-asan check-tsan fuzz gpu-check portable
test: build ## Build and run all tests; the last line is "N passed, N failed"
	@$(PYTHON) scripts/run_tests.py build $(ARGS)

check-asan: ## The tests under AddressSanitizer and UBSan (build-dev/)
	$(call configure_and_build,build-dev,dev)
	@scripts/sanitize.sh address $(PYTHON) scripts/run_tests.py build-dev $(ARGS)

check-tsan: ## The tests under ThreadSanitizer (build-tsan/)
	$(call configure_and_build,build-tsan,tsan)
	@scripts/sanitize.sh thread $(PYTHON) scripts/run_tests.py build-tsan $(ARGS)

fuzz: ## Fuzz every file reader for FUZZ_SECONDS each (clang++ with libFuzzer)
	@scripts/fuzz.sh tools
	$(call configure_and_build,build-fuzz,fuzz,fuzz_programs)
	@scripts/fuzz.sh run build-fuzz $(FUZZ_SECONDS)

portable: ## Stage build-portable/: runs where there is LibTorch but no Debian packages
	$(call configure_and_build,build-portable-objects,portable)

gpu-check: ## Build with CUDA kernels into build-portable/, then tests and benchmarks on the GPU
	@cmake --preset portable $(GENERATOR) -DKAEM_CUDA=ON $(CMAKE_ARGS)
	@cmake --build build-portable-objects --parallel $(JOBS)
	@build-portable/gpu-check $(ARGS)

.PHONY: format format-check lint
format: ## Format all C++ and CUDA sources (clang-format 14)
	@$(OWN_SOURCES) | xargs -0 $(CLANG_FORMAT) -i

format-check: ## Fail if a source is not formatted
	@$(CLANG_FORMAT) --version | grep -q 'version 14\.' || { echo "format-check: clang-format 14 is needed (package clang-format-14)"; exit 1; }
	@$(OWN_SOURCES) | xargs -0 $(CLANG_FORMAT) --dry-run -Werror

lint: build ## Run clang-tidy over the sources (ARGS = paths to look at; default all)
	@scripts/lint.sh build $(JOBS) $(ARGS)
