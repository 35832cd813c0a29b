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
	tests/run.sh fmt deny clippy features tests doctests docs instructions $(if $(filter true,$(CI)),openstack)

.PHONY: test-openstack
test-openstack: deps ## against real Keystone, Neutron schemas and clients; `make test` does it too where CI=true
	tests/run.sh openstack

.PHONY: lint
lint: deps ## format, lints, licences
	tests/run.sh fmt deny clippy features

.PHONY: advisories
advisories: deps ## known vulnerabilities of the dependencies (RustSec); needs GitHub
	tests/run.sh advisories

.PHONY: unit
unit: deps ## the tests alone
	tests/run.sh tests doctests

.PHONY: reference
reference: deps ## writes docs/configuration.md and the examples from the declarations of the keys
	VTEPD_WRITE_REFERENCE=1 cargo test --quiet --locked --test house the_reference

.PHONY: soak
soak: deps ## tests that take too long for every run
	tests/run.sh soak

.PHONY: bench
bench: deps ## the daemon beside a bare client and its peers, and the hot path by itself (release build)
	tests/run.sh bench

.PHONY: figures
figures: deps ## figures with packets: the lab on a release build
	tests/run.sh figures

.PHONY: bench-large
bench-large: deps ## a million MACs, 200 switches, 1000 sessions: gigabytes of memory, many minutes
	tests/run.sh bench-large

.PHONY: deps
deps: ## Debian's packages that are missing; checks the Rust toolchain
	@packaging/deps.sh

.PHONY: build
build: deps ## release build
	cargo build --release --locked

# What `make install` installs: those of another directory, say, where a test has built them anyway.
BUILT ?= target/release
SHARE := $(DESTDIR)$(PREFIX)/share
LIB := $(DESTDIR)$(PREFIX)/lib

.PHONY: install
install: ## the release build, completions, manual, units, users and examples under DESTDIR
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/bin $(BUILT)/vtepd $(BUILT)/l2gw $(BUILT)/vtep-hostd
	install -d $(SHARE)/bash-completion/completions $(SHARE)/zsh/vendor-completions $(SHARE)/fish/vendor_completions.d
	$(BUILT)/l2gw completions bash >$(SHARE)/bash-completion/completions/l2gw
	$(BUILT)/l2gw completions zsh >$(SHARE)/zsh/vendor-completions/_l2gw
	$(BUILT)/l2gw completions fish >$(SHARE)/fish/vendor_completions.d/l2gw.fish
	install -d $(SHARE)/man/man1 $(SHARE)/man/man8
	$(BUILT)/l2gw manual $(SHARE)/man/man1
	$(BUILT)/vtepd --manual >$(SHARE)/man/man8/vtepd.8
	$(BUILT)/vtep-hostd --manual >$(SHARE)/man/man8/vtep-hostd.8
	install -D -m 0644 -t $(LIB)/systemd/system packaging/systemd/vtepd.service packaging/systemd/vtep-hostd.service
	install -D -m 0644 -t $(LIB)/sysusers.d packaging/sysusers/vtepd.conf
	install -D -m 0644 -t $(LIB)/tmpfiles.d packaging/tmpfiles/vtepd.conf
	install -D -m 0644 -t $(SHARE)/doc/vtepd README.md plumgrid.ini.example vtep-hostd.ini.example
	install -D -m 0644 -t $(SHARE)/doc/vtepd/docs docs/*.md
