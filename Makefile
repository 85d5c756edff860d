# make demo       build a boot ISO from examples/boot.conf and boot it (as root)
# make test       install what the tests need, and run all of them (as root)
# make bench      time the stages of a build and print them (as root)
#
# Each does all its own set-up: on Debian with apt-get, on Fedora with dnf.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)
MINI := $(TARGET)/mini-release
DEMO := $(TARGET)/demo
CARGO ?= cargo

# Fedora has a release of its own, and needs no mini release.
ON_DEBIAN := $(shell command -v apt-get >/dev/null 2>&1 && echo yes)

.PHONY: help
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# What builds need, and what the tests need beside it.
.PHONY: deps
deps:
	scripts/install-dependencies

.PHONY: mini-release
mini-release: deps
ifeq ($(ON_DEBIAN),yes)
	$(CARGO) run --quiet --locked --package mini-release -- make --out $(MINI)
endif

.PHONY: demo
demo: mini-release
	$(CARGO) build --quiet --locked --release --package fbs-cli
	FBS_CACHE_DIR="$${FBS_CACHE_DIR:-$(abspath $(TARGET))/cache}" \
	$(TARGET)/release/fbs build examples/boot.conf \
		--staging $(DEMO)/images --outdir $(DEMO)/tree --workdir $(DEMO)/work \
		$(if $(ON_DEBIAN),,--release $$(. /etc/os-release; echo $$VERSION_ID))
ifeq ($(ON_DEBIAN),yes)
	@echo
	@echo "And the same with a Koji build that is in no repository:"
	$(CARGO) build --quiet --locked --package hub
	FBS_CACHE_DIR="$${FBS_CACHE_DIR:-$(abspath $(TARGET))/cache}" \
	scripts/demo-koji $(TARGET)/release/fbs $(TARGET)/debug/fbs-test-hub $(MINI) \
		--staging $(DEMO)/images --workdir $(DEMO)/work
endif

.PHONY: test
test: mini-release
	$(CARGO) build --locked --workspace --all-targets
	FBS_TESTS_REQUIRE_ALL=$(if $(ON_DEBIAN),1) $(CARGO) test --locked --workspace --all-features --no-fail-fast

.PHONY: bench
bench: mini-release
	$(CARGO) build --quiet --locked --release --package fbs-cli
	$(CARGO) bench --quiet --locked

# What a change has to pass beside the tests.
.PHONY: lint
lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps
