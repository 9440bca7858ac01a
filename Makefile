# kachery: `make help` lists the targets.

PREFIX ?= /usr/local
DESTDIR ?=
# Set PYTHON=/path/to/python to install the Python packages with the commands.
PYTHON ?=
BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man/man1
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
# uninstall never removes the system's own folders (Debian creates /usr/local/share/man), nor the parent folders of PREFIX.
SYSTEM_PREFIX = $(filter /usr /usr/local,$(PREFIX))
SHAREDIR = $(DESTDIR)$(PREFIX)/share
FOLDERS_TO_KEEP = $(if $(SYSTEM_PREFIX),'$(SHAREDIR)'|'$(SHAREDIR)/man',"$$(dirname '$(DESTDIR)$(PREFIX)')")

SWIFT = swift
RELEASE = -c release --static-swift-stdlib
VENV = .build/python-venv
PUBLISHED = .build/python-venv-published
OLDEST = .build/python-venv-oldest
NEWEST = .build/python-venv-newest
# Gives the tests a temporary folder, in which they must leave nothing.
TIDILY = Tests/leaving-nothing.sh
OUR_PACKAGES = PYTHONPATH=Python/src:Python/client/src
# Tests that depend on NumPy, fsspec and Zarr, and so run with old and new versions of these.
ARRAY_TESTS = $(addprefix Python/tests/test_,offline.py pickle.py values.py ranges.py filesystem.py unavailable.py folder_names.py manners.py)
ZARR_TESTS = Python/tests/libraries/test_unavailable_chunks.py
# The sources that `make lint` checks. ruff.toml and mypy.ini say how the Python sources are checked.
SWIFT_SOURCES = Package.swift Sources Tests
PYTHON_SOURCES = Python Benchmarks Deploy Tests/Network Tests/Packages
SCRIPTS = .ci/run $(wildcard Deploy/*.sh Deploy/*/*.sh Tests/*.sh Tests/*/*.sh)
LINT_VENV = .build/python-venv-lint
# The results of all tests, from which the skipped ones are counted.
RESULTS = .build/results
PYTEST = -m pytest -q -rs --junitxml
# The published client needs a NumPy that has no wheels for Python 3.13 and later; with a later NumPy it refuses to unpickle.
PUBLISHED_INSTALLS := $(shell python3 -c 'import sys; print("yes" if sys.version_info < (3, 13) else "")' 2>/dev/null)

# The Debian packages that a target needs: an option of Deploy/install-dependencies.sh. None means all but those of --bench.
NEEDS = --build
demo demo-jobs: NEEDS = --demo
test test-swift test-python: NEEDS =
test-network: NEEDS = --lines
lint format: NEEDS = --lint
deb tarball: NEEDS = --package
bench: NEEDS = --bench

# Every published name of the commands. Each is a link to the one program, which checks the name under which it was called.
NAMES = kachery-store kachery-load kachery-cat kachery-link kachery-info kachery-ls kachery-load-dir \
  kachery-generate-node-id kachery-config-ephemeral-node kachery-client kachery-daemon kachery-p2p \
  kachery-p2p-log kachery-p2p-load kachery-p2p-cat kachery-p2p-find kachery-p2p-store kachery-p2p-link \
  kachery-p2p-join-channel kachery-p2p-leave-channel kachery-p2p-get-channels kachery-p2p-node-info \
  kachery-p2p-start-daemon kachery-p2p-stop-daemon kachery-p2p-print-messages

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help deps needed environments build demo demo-jobs test test-swift test-python bench reference lint format attack fuzz simulate sanitize \
  wheels deb tarball test-packages test-address test-thread test-nfs test-network test-bare install installable uninstall \
  install-service uninstall-service clean

help: ## List the targets
	@echo 'kachery: share files by their content.'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null \
	  || sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1: \2/p' Makefile

deps: ## Install the Debian packages for building and testing, if any are missing
	@Deploy/install-dependencies.sh

needed:
	@Deploy/install-dependencies.sh $(NEEDS)

build: needed ## Build the two programs, optimized, into .build/release
	$(SWIFT) build $(RELEASE) --product kachery
	$(SWIFT) build $(RELEASE) --product kacheryd
	@touch .build/built

demo-jobs: build ## Show one node running a function for another
	@Deploy/demo-jobs.sh

demo: build ## Show the transfer of a 200 MB file between two nodes on this machine
	@Deploy/demo.sh

test: needed lint test-swift test-python ## Run all checks of the sources, all Swift tests and the Python tests
	@Deploy/say-skipped.py $(RESULTS)

# These suites wait for tasks of their own process, which would get no threads beside tests that block theirs. One of them
# opens thousands of descriptors: if Foundation starts a program meanwhile, it reads past the end of their list.
APART = LocalAPITests|ThreadsTests|EventLoopTests|HTTPTests|LongPollTests|GatewayTests|FeedStoreTests|BackupTests
DAEMON = DaemonTests
# The relay's tests keep all cores busy.
RELAYS = DaemonTests\.(Relay|Joined)
# Thousands of handshakes, which keep all cores busy, and waits of their own.
LINKS = LinksTests
# Two ends that must act within fractions of a second of each other.
PUNCHING = LinksTests\.PunchingTests
# Peers that live in the test's own process, and open sockets while it starts daemons: by themselves, for the same reason.
ALONE = HostileNodeTests|ExtremeMessageTests|AttackTests|PortMappingTests\.Router

# The debug build contains every assertion, so tests that start programs use it.
test-swift: needed
	$(SWIFT) build --build-tests
	@mkdir -p $(RESULTS) && rm -f $(RESULTS)/swift*
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" \
	  $(TIDILY) $(SWIFT) test --skip-build --xunit-output $(RESULTS)/swift-apart.xml --filter '$(APART)'
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" \
	  $(TIDILY) $(SWIFT) test --skip-build --xunit-output $(RESULTS)/swift-daemon.xml --filter '$(DAEMON)' --skip '$(RELAYS)'
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" \
	  $(TIDILY) $(SWIFT) test --skip-build --xunit-output $(RESULTS)/swift-relays.xml --filter '$(RELAYS)'
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" \
	  $(TIDILY) $(SWIFT) test --skip-build --xunit-output $(RESULTS)/swift-links.xml --filter '$(LINKS)' --skip '$(PUNCHING)'
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" \
	  $(TIDILY) $(SWIFT) test --skip-build --xunit-output $(RESULTS)/swift-punching.xml --filter '$(PUNCHING)'
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" \
	  $(TIDILY) $(SWIFT) test --skip-build --xunit-output $(RESULTS)/swift-alone.xml --filter '$(ALONE)'
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" \
	  $(TIDILY) $(SWIFT) test --skip-build --xunit-output $(RESULTS)/swift.xml --skip '$(APART)|$(DAEMON)|$(LINKS)|$(ALONE)'

# Most tests wait for programs: four at a time keep two cores busy.
test-python: needed environments
	$(SWIFT) build --product kachery
	$(SWIFT) build --product kacheryd
	@mkdir -p $(RESULTS) && rm -f $(RESULTS)/python*
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" \
	  KACHERY_PUBLISHED_PYTHON='$(if $(PUBLISHED_INSTALLS),$(CURDIR)/$(PUBLISHED)/bin/python)' \
	  $(OUR_PACKAGES) $(TIDILY) $(VENV)/bin/python $(PYTEST) $(RESULTS)/python.xml -n 4 Python/tests --ignore Python/tests/libraries
	$(OUR_PACKAGES) $(TIDILY) $(OLDEST)/bin/python $(PYTEST) $(RESULTS)/python-oldest.xml -n 2 $(ARRAY_TESTS) $(ZARR_TESTS)
	$(OUR_PACKAGES) $(TIDILY) $(NEWEST)/bin/python $(PYTEST) $(RESULTS)/python-newest.xml -n 2 $(ARRAY_TESTS) Python/tests/libraries

# All at the same time: pip waits for the network and for the disk in turn.
ENVIRONMENTS = $(VENV) $(if $(PUBLISHED_INSTALLS),$(PUBLISHED)) $(OLDEST) $(NEWEST) $(LINT_VENV)
environments:
	@running=''; for environment in $(ENVIRONMENTS); do \
	  $(MAKE) --no-print-directory "$$environment/.complete" & running="$$running $$!"; done; \
	for process in $$running; do wait "$$process" || failed=yes; done; [ -z "$${failed:-}" ]

$(VENV)/.complete: Python/requirements-test.txt
$(PUBLISHED)/.complete: Python/requirements-published.txt
$(OLDEST)/.complete: Python/requirements-oldest.txt
$(NEWEST)/.complete: Python/requirements-newest.txt
$(LINT_VENV)/.complete: Python/requirements-lint.txt
%/.complete:
	rm -rf $*
	mkdir -p .build
	python3 -m venv $*
	$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

reference: needed ## Write docs/command-reference.md from what the program says about itself
	$(SWIFT) build --product kachery
	Deploy/command-reference.py "$$($(SWIFT) build --show-bin-path)/kachery" > .build/command-reference.md
	mv .build/command-reference.md docs/command-reference.md

bench: build ## Measure transfers, storing, daemons and feeds, beside other tools
	@Benchmarks/transfer.py
	@Benchmarks/sources.py
	@Benchmarks/find.py
	@Benchmarks/storing.py
	@Benchmarks/small_files.py
	@Benchmarks/python_loads.py
	@Benchmarks/daemon.py
	@Benchmarks/feeds.py
	@Benchmarks/scaling.py

lint: needed .build/lint/swift .build/lint/python .build/lint/shell ## Check the formatting and the style of all sources

# Each is checked again only if one of its sources has changed since it last passed.
.build/lint/swift: .swift-format $(shell find $(SWIFT_SOURCES) -name '*.swift')
	$(SWIFT) format lint --strict --parallel --recursive $(SWIFT_SOURCES)
	@mkdir -p $(@D) && touch $@

.build/lint/python: ruff.toml mypy.ini $(LINT_VENV)/.complete $(shell find $(PYTHON_SOURCES) -name '*.py')
	$(LINT_VENV)/bin/ruff format --check --quiet $(PYTHON_SOURCES)
	$(LINT_VENV)/bin/ruff check --quiet $(PYTHON_SOURCES)
	$(LINT_VENV)/bin/mypy --no-error-summary
	$(LINT_VENV)/bin/vermin --quiet --no-tips --target=3.8- --violations Python/src Python/client/src
	@mkdir -p $(@D) && touch $@

.build/lint/shell: $(SCRIPTS)
	shellcheck $(SCRIPTS)
	@mkdir -p $(@D) && touch $@

format: needed $(LINT_VENV)/.complete ## Format all Swift and Python sources
	$(SWIFT) format --in-place --parallel --recursive $(SWIFT_SOURCES)
	$(LINT_VENV)/bin/ruff check --quiet --fix-only --select I $(PYTHON_SOURCES)
	$(LINT_VENV)/bin/ruff format --quiet $(PYTHON_SOURCES)

attack: deps ## Attack a daemon in many ways for KACHERY_ATTACK_SECONDS (20) each, and show what honest nodes notice
	$(SWIFT) build --build-tests
	$(SWIFT) build -c release --product kacheryd
	KACHERY_ATTACK_SECONDS="$${KACHERY_ATTACK_SECONDS:-20}" \
	  KACHERY_ATTACKED_PROGRAMS="$$($(SWIFT) build -c release --show-bin-path)" \
	  $(TIDILY) $(SWIFT) test --skip-build --filter AttackTests

fuzz: deps ## Test every parser with damaged inputs, for a minute each
	@Deploy/fuzz.sh

simulate: deps ## Simulate KACHERY_SIMULATED_RUNS (5,000) transfers, feeds, both on the same nodes, and 300 nodes that come and go
	$(SWIFT) build --build-tests
	KACHERY_SIMULATED_RUNS=$${KACHERY_SIMULATED_RUNS:-5000} $(SWIFT) test --skip-build \
	  --filter "TransferRunTests|ReplicationTests|MixedRunTests|ChurnTests"

sanitize: test-address test-thread ## Run the Swift tests with the address and the thread sanitizer

test-address: deps ## Run the Swift tests with the address sanitizer, which finds memory errors
	Deploy/sanitize.sh address

test-thread: deps ## Run the Swift tests with the thread sanitizer, which finds data races
	Deploy/sanitize.sh thread

test-nfs: deps ## Run the tests of shared directories on NFS, in a user-mode kernel without privileges
	Tests/Network/nfs.sh

test-network: needed $(VENV)/.complete ## Run two nodes over long, lossy and interrupted lines, which are emulated (as root)
	@[ "$$(id -u)" -eq 0 ] || { echo 'test-network: emulated lines need network namespaces, so run this as root.' >&2; exit 1; }
	$(SWIFT) build --product kachery
	$(SWIFT) build --product kacheryd
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" PYTHONPATH=Python/src:Python/tests:Tests/Network \
	  $(TIDILY) $(VENV)/bin/python -m pytest -q -rs -p no:cacheprovider -p conftest Tests/Network

test-bare: ## Run demo, tests, install and uninstall on bare Debian 12 and 13 (as root; BARE= are options of run.sh)
	Tests/Bare/run.sh $(BARE)

# What the targets below build.
PACKAGES = .build/packages

wheels: $(VENV)/.complete ## Build wheels and source distributions of the Python packages into .build/packages
	Deploy/package/wheels.sh $(PACKAGES) $(VENV)/bin/python

# An empty maintainer is the one that git knows.
MAINTAINER ?=
export MAINTAINER

deb: needed installable ## Build the Debian packages of this machine's release into .build/packages (MAINTAINER='Name <address>')
	Deploy/package/deb.sh $(PACKAGES)

tarball: needed installable ## Build a tarball that runs wherever it is unpacked, with the libraries that it needs
	Deploy/package/tarball.sh $(PACKAGES)

test-packages: ## Install, upgrade, remove and purge the packages on bare Debian 12 and 13 (as root; TESTED= are options)
	Tests/Packages/run.sh $(TESTED)

# Checks before the build what would fail late or unclearly. What is built is installed without the toolchain, which sudo
# takes from the PATH. With sudo nothing is built: that would leave root's files among the user's.
installable:
	@[ -z '$(PYTHON)' ] || Deploy/check-python.sh '$(PYTHON)'
	@if [ -e .build/built ] && [ -z "$$(find Package.swift Sources CShims -newer .build/built)" ]; then :; \
	  elif [ -z "$$SUDO_UID" ] || [ "$$SUDO_UID" -eq 0 ]; then $(MAKE) --no-print-directory build; \
	  else \
	    echo "install: the programs are missing or older than their sources. Run 'make build' without sudo first." >&2; \
	    exit 1; fi

# bash and fish search for a completion file with the name of the command.
install: installable ## Install the commands below PREFIX (/usr/local), and the Python packages for PYTHON
	install -d '$(BINDIR)'
	install -m 0755 .build/release/kachery .build/release/kacheryd '$(BINDIR)'
	for name in $(NAMES); do ln -sfn kachery "$(BINDIR)/$$name" || exit 1; done
	install -d '$(MANDIR)' '$(BASHDIR)' '$(ZSHDIR)' '$(FISHDIR)'
	.build/release/kachery manual > '$(MANDIR)/kachery.1'
	for name in kacheryd $(NAMES); do ln -sfn kachery.1 "$(MANDIR)/$$name.1" || exit 1; done
	.build/release/kachery completion bash > '$(BASHDIR)/kachery'
	.build/release/kachery completion zsh > '$(ZSHDIR)/_kachery'
	.build/release/kachery completion fish > '$(FISHDIR)/kachery.fish'
	for name in $(NAMES); do \
	  ln -sfn kachery "$(BASHDIR)/$$name" && ln -sfn kachery.fish "$(FISHDIR)/$$name.fish" || exit 1; done
	$(if $(PYTHON),'$(PYTHON)' -m pip install --disable-pip-version-check ./Python ./Python/client,)
	@$(if $(DESTDIR),,case ":$$PATH:" in (*":$(PREFIX)/bin:"*) ;; \
	  (*) echo "Put $(PREFIX)/bin on your PATH: export PATH=\"$(PREFIX)/bin:\$$PATH\"" ;; esac)

uninstall: ## Remove exactly what install created, and folders that are then empty
	for name in kachery kacheryd $(NAMES); do rm -f "$(BINDIR)/$$name" "$(MANDIR)/$$name.1" || exit 1; done
	for name in kachery $(NAMES); do rm -f "$(BASHDIR)/$$name" "$(FISHDIR)/$$name.fish" || exit 1; done
	rm -f '$(ZSHDIR)/_kachery'
	for folder in '$(MANDIR)' '$(BASHDIR)' '$(ZSHDIR)' '$(FISHDIR)' $(if $(SYSTEM_PREFIX),,'$(BINDIR)'); do \
	  while case "$$folder" in ($(FOLDERS_TO_KEEP)) false ;; (*) rmdir "$$folder" 2>/dev/null ;; esac; do \
	    folder=$$(dirname "$$folder"); done; done
	$(if $(PYTHON),'$(PYTHON)' -m pip uninstall --yes kachery-p2p kachery-client,)

UNITDIR = $(DESTDIR)/etc/systemd/system
SYSUSERSDIR = $(DESTDIR)/usr/lib/sysusers.d
CATALOGDIR = $(DESTDIR)/usr/lib/systemd/catalog
SERVICES = kachery kachery-bootstrap

install-service: ## Install systemd services for the installed daemon, without starting them
	install -d '$(UNITDIR)' '$(SYSUSERSDIR)' '$(CATALOGDIR)'
	install -m 0644 Deploy/systemd/kachery.sysusers '$(SYSUSERSDIR)/kachery.conf'
	install -m 0644 Deploy/systemd/kachery.catalog '$(CATALOGDIR)'
	for name in $(SERVICES); do sed 's|/usr/local/bin/|$(PREFIX)/bin/|' "Deploy/systemd/$$name.service" \
	  > "$(UNITDIR)/$$name.service" && chmod 0644 "$(UNITDIR)/$$name.service" || exit 1; done
	$(if $(DESTDIR),,systemd-sysusers kachery.conf && journalctl --update-catalog && \
	  if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi)

uninstall-service: ## Remove exactly what install-service created; the user and the data stay
	$(if $(DESTDIR),,if [ -d /run/systemd/system ]; then systemctl disable --now $(SERVICES); fi)
	for name in $(SERVICES); do rm -f "$(UNITDIR)/$$name.service" || exit 1; done
	rm -f '$(SYSUSERSDIR)/kachery.conf' '$(CATALOGDIR)/kachery.catalog'
	$(if $(DESTDIR),,journalctl --update-catalog)

clean: ## Remove everything that was built
	rm -rf .build Python/build Python/client/build Python/src/*.egg-info Python/client/src/*.egg-info
