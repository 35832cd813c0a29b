# vtepd: `make demo` shows it at work, `make test` runs all that CI runs. Both install what is missing.
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
PREFIX ?= /usr
# rustup's programs, and the system's (ovsdb-server), wherever we are called from.
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/local/sbin:/usr/sbin:/sbin

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

.PHONY: demo
demo: deps ## two emulated switches, the daemon, the specification's example; Ctrl-C ends it
	cargo build --locked --bin vtepd --examples # --examples: as the tests build it, see tests/run.sh
	packaging/demo/demo.sh

.PHONY: lab
lab: deps ## virtual machines, compute nodes, switches, bare metal, to be pinged; Ctrl-C ends it (as root, or with user namespaces)
	VTEPD_LAB_SHOW=1 cargo test --quiet --locked --test lab -- --ignored --exact show::show --nocapture

.PHONY: test
test: deps ## everything that CI runs
	tests/run.sh fmt deny clippy features tests doctests docs $(if $(filter true,$(CI)),openstack)

.PHONY: test-openstack
test-openstack: deps ## against real Keystone, Neutron schemas and clients; `make test` does it too where CI=true
	tests/run.sh openstack

.PHONY: lint
lint: deps ## format, lints, licences
	tests/run.sh fmt deny clippy features

.PHONY: unit
unit: deps ## the tests alone
	tests/run.sh tests doctests

.PHONY: soak
soak: deps ## tests that take too long for every run
	tests/run.sh soak

.PHONY: bench
bench: deps ## benchmarks (release build)
	tests/run.sh bench

.PHONY: deps
deps: ## Debian's packages that are missing; checks the Rust toolchain
	@packaging/deps.sh

.PHONY: build
build: deps ## release build
	cargo build --release --locked

.PHONY: install
install: ## the release build, completions, manual, units, users and examples under DESTDIR
	install -D -m 0755 target/release/vtepd $(DESTDIR)$(PREFIX)/bin/vtepd
	install -D -m 0755 target/release/l2gw $(DESTDIR)$(PREFIX)/bin/l2gw
	install -D -m 0755 target/release/vtep-hostd $(DESTDIR)$(PREFIX)/bin/vtep-hostd
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions
	install -d $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(DESTDIR)$(PREFIX)/share/man/man1
	target/release/l2gw completions bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/l2gw
	target/release/l2gw completions zsh >$(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_l2gw
	target/release/l2gw completions fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/l2gw.fish
	target/release/l2gw manual $(DESTDIR)$(PREFIX)/share/man/man1
	install -D -m 0644 packaging/systemd/vtepd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/vtepd.service
	install -D -m 0644 packaging/systemd/vtep-hostd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/vtep-hostd.service
	install -D -m 0644 packaging/sysusers/vtepd.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/vtepd.conf
	install -D -m 0644 packaging/tmpfiles/vtepd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/vtepd.conf
	install -D -m 0644 plumgrid.ini.example $(DESTDIR)$(PREFIX)/share/doc/vtepd/plumgrid.ini.example
	install -D -m 0644 vtep-hostd.ini.example $(DESTDIR)$(PREFIX)/share/doc/vtepd/vtep-hostd.ini.example
	install -D -m 0644 README.md $(DESTDIR)$(PREFIX)/share/doc/vtepd/README.md
