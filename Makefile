# What there is to do here. `make` alone tells.
#
# Nothing but git, a C compiler and Rust must be there: what else a target needs, it
# installs with apt, and says so.

.DEFAULT_GOAL := help
.PHONY: help build serve demo test faults lint bench docs golden clean

# rustup's toolchain, also in a shell that was opened before it was installed.
export PATH := $(HOME)/.cargo/bin:$(PATH)

TARGET := $(or $(CARGO_TARGET_DIR),target)
KCPCTL := $(TARGET)/release/kcpctl

# The tests of the cache's contract, which run on an etcd as they do on the embedded store.
# One of them is about a counter that begins at the clock, as etcd's does not.
ON_ETCD := authorization contract definitions history kubectl lists model objects paths scenarios \
	user_types watch_scripts watches

# Where `make serve` listens, keeps its data, and finds its installation.
LISTEN ?= 127.0.0.1:6443
DATA_DIR ?= .kcpctl
DEMO ?= demo

# How long `make faults` takes.
SECONDS ?= 600

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

build: rust ## Build the executable, optimized
	cargo build --locked --release

serve: build demo ## Build, write an example installation of two shards, and serve its cache
	$(KCPCTL) cache serve --listen $(LISTEN) --data-dir $(DATA_DIR) --manifests $(DEMO)

demo: build
	@if [ -e $(DEMO) ]; then echo "keeping the installation in $(DEMO)" >&2; else set -x; \
	$(KCPCTL) init installation demo --yes --cache server --shards 1 -o $(DEMO); fi

test: rust python ## Install what the tests need, and run them all
	@.ci/need openssl=openssl kubectl=kubernetes-client etcd=etcd-server
	cargo test --locked --no-fail-fast
	KCPCTL_TEST_STORE=etcd cargo test --locked --no-fail-fast --test integration -- $(ON_ETCD) \
		--skip a_revision_of_an_older_life_is_gone

faults: rust ## Break everything around three servers on an etcd, for SECONDS=600
	@.ci/need etcd=etcd-server
	KCPCTL_FAULTS_SECONDS=$(SECONDS) cargo test --locked --test integration -- faults::

lint: rust ## Check form, lints and documentation
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

bench: rust ## Measure a server against the limits of this machine (BENCH="--objects 10000")
	cargo bench --locked --bench server -- $(BENCH)

docs: rust ## Write the documentation of the library
	cargo doc --locked --no-deps

golden: rust ## Write completions/, man/ and the tests' golden files anew
	UPDATE_GOLDEN=1 cargo test --locked --test integration -- generated golden watch_scripts

clean: ## Remove what was built; data and manifests stay
	cargo clean

# The Python environment of the one test that drives a server with the official client.
# It counts as made once its last package is in.
.PHONY: python
python: $(TARGET)/python/made

$(TARGET)/python/made: tests/python/requirements.txt
	@.ci/need python3=python3
	@python3 -c 'import ensurepip, venv' 2>/dev/null || .ci/need python3-venv=python3-venv
	@echo "installing the Python client in $(TARGET)/python" >&2
	@mkdir -p $(TARGET)
	@python3 -m venv --clear $(TARGET)/python
	@$(TARGET)/python/bin/python -m pip install --quiet --requirement $<
	@touch $@

.PHONY: rust
rust:
	@.ci/need cc=build-essential protoc=protobuf-compiler \
		google/protobuf/descriptor.proto=libprotobuf-dev
	@cargo --version >/dev/null 2>&1 || { \
	echo "error: there is no cargo" >&2; \
	echo "hint: install Rust 1.90 or newer with rustup" >&2; exit 1; }
