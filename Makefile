# One word each, all through the presets of CMakePresets.json. `make help` lists them.
#   ARGS="..."  is added to the program's command line      DATASET= MODE= RUN= CONFIG=  choose what to run
#   PEERS="..." is added to the command line of benches/peers.py (--filter REGEX --threads N --no-compile)
#   PREFIX=folder  where install-prefix puts it           KAEM_TORCH=auto|cpu|cuda  which LibTorch (scripts/install.sh)
#   JOBS=n      compilers at a time                         CMAKE_ARGS="-D..."  extra options: configures anew
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
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
# A compiler needs up to 1.5 GB.
JOBS ?= $(shell n=$$(nproc); m=$$(awk '/MemTotal/ {print int($$2 / 1572864)}' /proc/meminfo); \
          [ $$m -ge 1 ] || m=1; echo $$((n < m ? n : m)))
CLANG_FORMAT ?= $$(command -v clang-format-14 || echo clang-format)
PYTHON ?= python3
OWN_SOURCES := git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cpp' '*.cu'
config_option = $(if $(CONFIG),--config $(CONFIG))
blank := $() $()
# Where the benchmarks' numbers go: what stands behind --json in ARGS, if anything does.
bench_json = $(or $(shell printf '%s\n' $(ARGS) | grep -A1 -x -e '--json' | tail -n +2),build/bench.json)
only_pattern = ^($(subst $(blank),|,$(strip $(1))))$$

export CMAKE_ARGS KAEM_TORCH KAEM_INSTALL
# set_up(options of scripts/install.sh): what is missing; build_in(folder, preset, targets). Both print nothing where all is there.
set_up = @bash scripts/install.sh --quiet $(1)
build_in = @scripts/build.sh $(1) $(2) $(JOBS) $(3)

##@ Setting up
.PHONY: install build all install-prefix help clean
install: ## Set up alone: system packages (Debian/Ubuntu) and LibTorch in .venv; every other target does it where it must
	@bash scripts/install.sh

build: ## Build build/kaem (release; the CUDA kernels too where nvcc and a GPU are present)
	$(call set_up)
	$(call build_in,build,release,program)

all: ## Build the tests as well
	$(call set_up)
	$(call build_in,build,release,all)

install-prefix: prefix-given build ## Install program, library and headers into PREFIX=folder (cmake --install)
	@cmake --install build --prefix "$(PREFIX)" >build/install.log || { cat build/install.log; exit 1; }
	@echo "kaem is in $(PREFIX)/bin; for CMake: -DCMAKE_PREFIX_PATH=$(PREFIX)"

.PHONY: prefix-given
prefix-given:
	@[ -n "$(PREFIX)" ] || { echo 'install-prefix: say where: make install-prefix PREFIX=$$HOME/kaem' >&2; exit 2; }

clean: ## Remove all build folders (runs, data and .venv stay)
	rm -rf build build-dev build-tsan build-cuda build-fuzz build-lint build-portable build-portable-objects build-replay

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+( [a-z-]+)*:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo 'Variables: DATASET=$(DATASET) MODE=$(MODE) RUN=$(RUN) CONFIG=file ARGS="--set TRAINING.seed=2 ..." JOBS=$(JOBS) CMAKE_ARGS="-D..."'
	@echo '           KAEM_TORCH=auto|cpu|cuda (LibTorch without or with the libraries of CUDA)  KAEM_INSTALL=no (install nothing)'
	@echo 'make install sets up this folder; an installation elsewhere is made by make install-prefix PREFIX=folder.'

##@ Training and results
.PHONY: train train-vanilla train-thermo train-variational train-sequential sequential tune data bench
train: build ## Train on DATASET in MODE (vanilla, thermo, variational, baseline-vae, baseline-pang, baseline-ddpm, baseline-gan)
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

bench: build ## Run the benchmarks, each against its lower bound, then the same shapes in PyTorch (for which all of it is installed)
	$(KAEM) bench $(if $(findstring --json,$(ARGS)),,--json build/bench.json) $(ARGS)
	$(call set_up,--peers)
	.venv/bin/python benches/peers.py --against $(bench_json) --json build/peers.json $(PEERS)

.PHONY: sample evaluate diagnose plot compare report traverse symbolic prune export
sample: build ## Draw samples from the trained RUN (a run's folder, or last)
	$(KAEM) sample $(RUN) $(ARGS)

evaluate: build ## Evaluate the trained RUN
	$(KAEM) evaluate $(RUN) $(ARGS)

compare: build ## Measure the runs RUN="A B ..." and print one table
	$(KAEM) compare $(RUN) $(ARGS)

report: build ## Write a page about RUN that a browser shows (RUN/report.html)
	$(KAEM) report $(RUN) $(ARGS)

diagnose: build ## Where the quality of RUN's samples is lost: prior, posterior samples or generator
	$(KAEM) diagnose $(RUN) $(ARGS)

traverse: build ## Draw the latent components of RUN that move the picture most
	$(KAEM) traverse $(RUN) $(ARGS)

symbolic: build ## Closed forms of the energies of RUN's prior
	$(KAEM) symbolic $(RUN) $(ARGS)

prune: build ## The energies of RUN's prior that do not matter
	$(KAEM) prune $(RUN) $(ARGS)

export: build ## Write RUN for other programs (ARGS="--to torchscript --out model.pt")
	$(KAEM) export $(RUN) $(ARGS)

plot: build ## Draw the prior, the curves of training and the samples of RUN (matplotlib is installed for it)
	$(call set_up,--plot)
	$(KAEM) plot $(RUN) $(ARGS)

##@ Checking
.PHONY: test test-python check-report check-docker reference check-asan check-tsan fuzz gpu-check portable package
test: ## Build and run all tests; the last line is "N passed, N failed"
	$(call set_up)
	$(call build_in,build,release,all)
	@$(PYTHON) scripts/run_tests.py build $(ARGS)

test-python: ## The tests of the Python package, and TensorBoard's own reading of a run (all of torch is installed, into .venv-python)
	$(call set_up,--python)
	$(call build_in,build,release,kaem_python program)
	@PYTHONPATH=python .venv-python/bin/python -m pytest -q tests/python $(ARGS)
	@rm -rf build/events && $(KAEM) train --dataset DARCY_PERM --max-steps 30 --quiet --out build/events --name a --set TRAINING.gen_every=1
	@.venv-python/bin/python scripts/check_tensorboard.py build/events/DARCY_PERM/vanilla/a

check-report: ## The pages of kaem report in a headless browser, wide and narrow, light and dark (build/pages/)
	$(call set_up,--browser)
	$(call build_in,build,release,program)
	@rm -rf build/pages && for mode in vanilla thermo variational; do $(KAEM) train --dataset DARCY_PERM --mode $$mode --max-steps 40 --quiet --profile \
	  --out build/pages/runs --name a --set TRAINING.gen_every=1 --set TRAINING.N_train=200 >/dev/null || exit 1; done
	@$(KAEM) report build/pages/runs/DARCY_PERM/*/a --out build/pages/several.html >/dev/null
	@$(PYTHON) scripts/check_report.py --pictures build/pages build/pages/several.html build/pages/runs/DARCY_PERM/*/a/report.html

reference: ## The reference of the C++ library by Doxygen (build/reference/html/index.html); a warning is an error
	$(call set_up,--reference)
	@mkdir -p build/reference && doxygen docs/Doxyfile
	@echo build/reference/html/index.html

check-docker: ## The commands of the Dockerfile in a bare folder, without Docker (some minutes)
	@$(PYTHON) scripts/check_dockerfile.py

check-asan: ## The tests under AddressSanitizer and UBSan (build-dev/; ONLY="core io" for those of some folders)
	$(call set_up)
	$(call build_in,build-dev,dev,$(if $(ONLY),$(ONLY:%=kaem_%_test),all))
	@scripts/sanitize.sh address $(PYTHON) scripts/run_tests.py build-dev $(if $(ONLY),--only "$(call only_pattern,$(ONLY))") $(ARGS)

check-tsan: ## The tests under ThreadSanitizer (build-tsan/)
	$(call set_up)
	$(call build_in,build-tsan,tsan,all)
	@scripts/sanitize.sh thread $(PYTHON) scripts/run_tests.py build-tsan $(ARGS)

fuzz: ## Fuzz every file reader for FUZZ_SECONDS each (clang++ with libFuzzer)
	$(call set_up)
	@scripts/fuzz.sh tools
	$(call build_in,build-fuzz,fuzz,fuzz_programs)
	@scripts/fuzz.sh run build-fuzz $(FUZZ_SECONDS)

portable: ## Stage build-portable/: runs where there is LibTorch but no Debian packages
	$(call set_up)
	$(call build_in,build-portable-objects,portable,all)

package: ## A .deb and a tarball in build-packages/, which run where LibTorch is found
	$(call set_up)
	@CMAKE_ARGS="-DKAEM_BUILD_TESTS=OFF $(CMAKE_ARGS)" scripts/build.sh build-portable-objects portable $(JOBS) all
	@cd build-portable-objects && cpack >cpack.log 2>&1 || { cat cpack.log; exit 1; }
	@ls -l build-packages/*.deb build-packages/*.tar.gz

gpu-check: ## Build with CUDA kernels into build-portable/, then tests and benchmarks on the GPU
	$(call set_up)
	@CMAKE_ARGS="-DKAEM_CUDA=ON $(CMAKE_ARGS)" scripts/build.sh build-portable-objects portable $(JOBS) all
	@build-portable/gpu-check $(ARGS)

.PHONY: format format-check lint check-includes check-variants
format: ## Format all C++ and CUDA sources (clang-format 14)
	$(call set_up,--format)
	@$(OWN_SOURCES) | xargs -0 -r $(CLANG_FORMAT) -i

format-check: ## Fail if a source is not formatted
	$(call set_up,--format)
	@$(CLANG_FORMAT) --version | grep -q 'version 14\.' || { echo "format-check: clang-format 14 is needed (package clang-format-14)"; exit 1; }
	@$(OWN_SOURCES) | xargs -0 -r $(CLANG_FORMAT) --dry-run -Werror

lint: ## Run clang-tidy over the sources (ARGS = paths to look at; default all)
	$(call set_up,--lint)
	$(call build_in,build-lint,lint)
	@scripts/lint.sh build-lint $(JOBS) $(ARGS)

check-variants: ## The variants of docs/adding-a-variant.md added to a copy, built and tried (10 minutes)
	@scripts/check_variants.py

check-includes: ## Compile every source and header by itself: no precompiled header, nothing together (ARGS = paths)
	$(call set_up)
	$(call build_in,build-lint,lint)
	@$(PYTHON) scripts/check_includes.py --jobs $(JOBS) build-lint $(ARGS)
