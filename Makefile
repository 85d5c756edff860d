# make demo       build a boot ISO from examples/boot.conf and boot it (as root)
# make demo-live  the same for a live image, from examples/live.conf
# make demo-dvd   the same for an install DVD, from examples/dvd.conf
# make serve      begin the service on this machine, in the browser and over REST (as root)
# make test       install what the tests need, and run all of them (as root)
# make bench      time the stages of a build and print them (as root)
# make fuzz       feed the readers of foreign data with rubbish for a minute each
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
	@scripts/install-dependencies

.PHONY: mini-release
mini-release: deps
ifeq ($(ON_DEBIAN),yes)
	@echo "the mini release (the first time this takes some minutes) ..."
	@$(CARGO) run --quiet --locked --package mini-release -- make --out $(MINI)
endif

.PHONY: demo
demo: mini-release
	@echo "fbs itself (the first time this takes some minutes) ..."
	@$(CARGO) build --quiet --locked --release --package fbs-cli
	@FBS_CACHE_DIR="$${FBS_CACHE_DIR:-$(abspath $(TARGET))/cache}" \
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

# The same for a live image.
.PHONY: demo-live
demo-live: mini-release
	$(CARGO) build --quiet --locked --release --package fbs-cli
	FBS_CACHE_DIR="$${FBS_CACHE_DIR:-$(abspath $(TARGET))/cache}" \
	$(TARGET)/release/fbs build examples/live.conf \
		--staging $(DEMO)/images --workdir $(DEMO)/work \
		$(if $(ON_DEBIAN),,--release $$(. /etc/os-release; echo $$VERSION_ID))

# And for an install DVD; its tree stays in target/demo/dvd.
.PHONY: demo-dvd
demo-dvd: mini-release
	$(CARGO) build --quiet --locked --release --package fbs-cli
	FBS_CACHE_DIR="$${FBS_CACHE_DIR:-$(abspath $(TARGET))/cache}" \
	$(TARGET)/release/fbs build examples/dvd.conf \
		--staging $(DEMO)/images --workdir $(DEMO)/work \
		--set destdir=$(abspath $(DEMO))/dvd --set force=yes \
		$(if $(ON_DEBIAN),,--release $$(. /etc/os-release; echo $$VERSION_ID))

# The service on one machine. On Debian the mini release is served beside it.
.PHONY: serve
serve: mini-release
	$(CARGO) build --quiet --locked --release --package fbs-http
	FBS_CACHE_DIR="$${FBS_CACHE_DIR:-$(abspath $(TARGET))/cache}" \
	FBS_STATE_DIR="$${FBS_STATE_DIR:-$(abspath $(TARGET))/serve}" \
	scripts/serve $(TARGET)/release/fbs-http \
		$(if $(ON_DEBIAN),$(TARGET)/debug/mini-release $(MINI))

# Everything is built before the mini release is made: built alone its maker would have other features. More tests than
# there are processors run side by side: many of them wait, and heavy ones wait for their turn.
# FBS_TESTS_ON_DISK=1 keeps what they make out of memory. Ctrl-C and a closed terminal are tested, also where this was started
# by something that ignores them.
.PHONY: test
test: deps
	$(CARGO) build --locked --workspace --all-targets --all-features
ifeq ($(ON_DEBIAN),yes)
	$(TARGET)/debug/mini-release make --out $(MINI)
endif
	RUST_TEST_THREADS=$$((2 * $$(nproc))) FBS_TESTS_REQUIRE_ALL=$(if $(ON_DEBIAN),1) \
		env --default-signal=INT,HUP scripts/in-memory $(TARGET)/debug/e2e $(CARGO) test --locked --workspace --all-features --no-fail-fast

.PHONY: bench
bench: mini-release
	scripts/koji-client $(TARGET)/koji-client
	scripts/celery $(TARGET)/celery
	scripts/flask $(TARGET)/flask
	scripts/kiwi $(TARGET)/kiwi
	$(CARGO) build --quiet --locked --release --package fbs-cli --package fbs-http
	$(CARGO) bench --quiet --locked

FUZZ_SECONDS ?= 60
# Real data to start from: the hub's captured answers, the mini release's packages.
FUZZ_CORPUS := fuzz/corpus

.PHONY: fuzz
fuzz: mini-release
	rustup toolchain install nightly --profile minimal
	command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	mkdir -p $(FUZZ_CORPUS)/hub_answer $(FUZZ_CORPUS)/rpm $(FUZZ_CORPUS)/repodata
	for answer in tests/hub/captures/*response*; do cp "$$answer" $(FUZZ_CORPUS)/hub_answer/; done
	for rpm in $(MINI)/*/99/Everything/*{,/os}/Packages/fbs-*.rpm; do \
		{ printf '\377'; cat "$$rpm"; } >"$(FUZZ_CORPUS)/rpm/$${rpm##*/}"; \
	done
	for target in hub_answer rpm repodata; do \
		$(CARGO) +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=200000; \
	done

# What a change has to pass beside the tests.
.PHONY: lint
lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps
