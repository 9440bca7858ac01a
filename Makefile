# kachery: `make help` says what there is to type.

PREFIX ?= /usr/local
DESTDIR ?=
# Set PYTHON=/path/to/python to install the Python package with the commands.
PYTHON ?=
BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man/man1
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
# The system's own folders stay, empty or not, and so does what any PREFIX is in.
SYSTEM_PREFIX = $(filter /usr /usr/local,$(PREFIX))
FOLDERS_TO_KEEP = $(if $(SYSTEM_PREFIX),$(DESTDIR)$(PREFIX),$(patsubst %/,%,$(dir $(DESTDIR)$(PREFIX))))

SWIFT = swift
RELEASE = -c release --static-swift-stdlib
VENV = .build/python-venv
PUBLISHED = .build/python-venv-published
OLDEST = .build/python-venv-oldest
NEWEST = .build/python-venv-newest
# Tests have a temporary folder of their own, and leave nothing in it.
TIDILY = Tests/leaving-nothing.sh
OUR_PACKAGES = PYTHONPATH=Python/src:Python/client/src
# What depends on NumPy, fsspec and Zarr, and so is tested with old and new ones.
ARRAY_TESTS = $(addprefix Python/tests/test_,offline.py pickle.py values.py ranges.py filesystem.py unavailable.py)
ZARR_TESTS = Python/tests/libraries/test_unavailable_chunks.py
LINTED = Package.swift Sources Tests
# What every test did, for the count of those that were skipped.
RESULTS = .build/results
PYTEST = -m pytest -q -rs --junitxml
# The published client's NumPy has no wheel for Python 3.13 and later, and the client refuses to unpickle with a later NumPy.
PUBLISHED_INSTALLS := $(shell python3 -c 'import sys; print("yes" if sys.version_info < (3, 13) else "")' 2>/dev/null)

# What a target needs of the Debian packages: an option of Deploy/install-dependencies.sh, or nothing for all but --bench.
NEEDS = --build
demo demo-jobs: NEEDS = --demo
test test-swift test-python: NEEDS =
bench: NEEDS = --bench

# Every name that kachery was ever published under; each is a link to the one program, which looks at its own name.
NAMES = kachery-store kachery-load kachery-cat kachery-link kachery-info kachery-ls kachery-load-dir \
  kachery-generate-node-id kachery-config-ephemeral-node kachery-client kachery-daemon kachery-p2p \
  kachery-p2p-log kachery-p2p-load kachery-p2p-cat kachery-p2p-find kachery-p2p-store kachery-p2p-link \
  kachery-p2p-join-channel kachery-p2p-leave-channel kachery-p2p-get-channels kachery-p2p-node-info \
  kachery-p2p-start-daemon kachery-p2p-stop-daemon kachery-p2p-print-messages

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help deps needed build demo demo-jobs test test-swift test-python bench lint format fuzz simulate sanitize \
  test-address test-thread test-nfs test-bare install installable uninstall install-service uninstall-service clean

help: ## Say what there is to type
	@echo 'kachery: share files by what is in them.'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null \
	  || sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1: \2/p' Makefile

deps: ## Install the Debian packages that kachery is built from and tested with (nothing to do: nothing done)
	@Deploy/install-dependencies.sh

needed:
	@Deploy/install-dependencies.sh $(NEEDS)

build: needed ## Build the two programs, optimized, into .build/release
	$(SWIFT) build $(RELEASE) --product kachery
	$(SWIFT) build $(RELEASE) --product kacheryd
	@touch .build/built

demo-jobs: build ## Watch one node run a function for another
	@Deploy/demo-jobs.sh

demo: build ## Watch a 200 MB file travel between two nodes on this machine
	@Deploy/demo.sh

test: needed lint test-swift test-python ## Check everything: formatting, all Swift tests, the Python tests
	@Deploy/say-skipped.py $(RESULTS)

# Suites whose tests wait for tasks of their own process: beside tests that block their threads these would get none. And
# one that opens thousands of descriptors: Foundation reads past the end of their list where it starts a program meanwhile.
APART = LocalAPITests|EventLoopTests|HTTPTests|LinksTests|LongPollTests|DaemonTests

# The debug build carries every assertion, so the tests that drive whole programs drive that one.
test-swift: needed
	$(SWIFT) build --build-tests
	@mkdir -p $(RESULTS) && rm -f $(RESULTS)/swift*
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" \
	  $(TIDILY) $(SWIFT) test --skip-build --xunit-output $(RESULTS)/swift-apart.xml --filter '$(APART)'
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" \
	  $(TIDILY) $(SWIFT) test --skip-build --xunit-output $(RESULTS)/swift.xml --skip '$(APART)'

test-python: needed $(VENV)/.complete $(if $(PUBLISHED_INSTALLS),$(PUBLISHED)/.complete) $(OLDEST)/.complete $(NEWEST)/.complete
	$(SWIFT) build --product kachery
	$(SWIFT) build --product kacheryd
	@mkdir -p $(RESULTS) && rm -f $(RESULTS)/python*
	KACHERY_BUILD_DIR="$$($(SWIFT) build --show-bin-path)" \
	  KACHERY_PUBLISHED_PYTHON='$(if $(PUBLISHED_INSTALLS),$(CURDIR)/$(PUBLISHED)/bin/python)' \
	  $(OUR_PACKAGES) $(TIDILY) $(VENV)/bin/python $(PYTEST) $(RESULTS)/python.xml Python/tests --ignore Python/tests/libraries
	$(OUR_PACKAGES) $(TIDILY) $(OLDEST)/bin/python $(PYTEST) $(RESULTS)/python-oldest.xml $(ARRAY_TESTS) $(ZARR_TESTS)
	$(OUR_PACKAGES) $(TIDILY) $(NEWEST)/bin/python $(PYTEST) $(RESULTS)/python-newest.xml $(ARRAY_TESTS) Python/tests/libraries

$(VENV)/.complete: Python/requirements-test.txt
$(PUBLISHED)/.complete: Python/requirements-published.txt
$(OLDEST)/.complete: Python/requirements-oldest.txt
$(NEWEST)/.complete: Python/requirements-newest.txt
%/.complete:
	rm -rf $*
	mkdir -p .build
	python3 -m venv $*
	$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench: build ## Measure transfers, storing, a daemon by itself and feeds beside other tools
	@Benchmarks/transfer.py
	@Benchmarks/sources.py
	@Benchmarks/find.py
	@Benchmarks/storing.py
	@Benchmarks/small_files.py
	@Benchmarks/python_loads.py
	@Benchmarks/daemon.py
	@Benchmarks/feeds.py

lint: ## Check the formatting of all Swift sources
	$(SWIFT) format lint --strict --recursive $(LINTED)

format: ## Format all Swift sources
	$(SWIFT) format --in-place --recursive $(LINTED)

fuzz: deps ## Damage the input of every parser for a minute each, each round with new seeds
	@Deploy/fuzz.sh

simulate: deps ## Simulate KACHERY_SIMULATED_RUNS transfers (5,000) and a tenth as many feeds, each with other mishaps
	$(SWIFT) build --build-tests
	KACHERY_SIMULATED_RUNS=$${KACHERY_SIMULATED_RUNS:-5000} $(SWIFT) test --skip-build --filter "TransferRunTests|ReplicationTests"

sanitize: test-address test-thread ## Run the Swift tests under the address and the thread sanitizer

test-address: deps ## Run the Swift tests under the address sanitizer, which finds wrong uses of memory
	Deploy/sanitize.sh address

test-thread: deps ## Run the Swift tests under the thread sanitizer, which finds data shared without a lock
	Deploy/sanitize.sh thread

test-nfs: deps ## Run the tests of shared directories on NFS, in a kernel of their own that needs no privileges
	Tests/Network/nfs.sh

test-bare: ## Prove demo, tests, install and uninstall on bare Debian 12 and 13 (as root; BARE= takes options of run.sh)
	Tests/Bare/run.sh $(BARE)

# What goes wrong late or unclearly is told before anything is built. sudo has a PATH of its own, without the toolchain, and
# would leave root's files among the builder's: through it, what the builder built is installed.
installable:
	@[ -z '$(PYTHON)' ] || Deploy/check-python.sh '$(PYTHON)'
	@if [ -z "$$SUDO_UID" ] || [ "$$SUDO_UID" -eq 0 ]; then $(MAKE) --no-print-directory build; \
	  elif [ ! -e .build/built ] || [ -n "$$(find Package.swift Sources CShims -newer .build/built)" ]; then \
	    echo "install: the programs are not built, or older than their sources. Type 'make build' without sudo first." >&2; \
	    exit 1; fi

# bash and fish look for a file of the name that is completed.
install: installable ## Put every command below PREFIX/bin (and the Python package where PYTHON says)
	install -d '$(BINDIR)'
	install -m 0755 .build/release/kachery .build/release/kacheryd '$(BINDIR)'
	for name in $(NAMES); do ln -sfn kachery "$(BINDIR)/$$name" || exit 1; done
	install -d '$(MANDIR)' '$(BASHDIR)' '$(ZSHDIR)' '$(FISHDIR)'
	.build/release/kachery manual > '$(MANDIR)/kachery.1'
	.build/release/kachery completion bash > '$(BASHDIR)/kachery'
	.build/release/kachery completion zsh > '$(ZSHDIR)/_kachery'
	.build/release/kachery completion fish > '$(FISHDIR)/kachery.fish'
	for name in $(NAMES); do \
	  ln -sfn kachery "$(BASHDIR)/$$name" && ln -sfn kachery.fish "$(FISHDIR)/$$name.fish" || exit 1; done
	$(if $(PYTHON),'$(PYTHON)' -m pip install --disable-pip-version-check ./Python ./Python/client,)
	@$(if $(DESTDIR),,case ":$$PATH:" in (*":$(PREFIX)/bin:"*) ;; \
	  (*) echo "Put $(PREFIX)/bin on your PATH: export PATH=\"$(PREFIX)/bin:\$$PATH\"" ;; esac)

uninstall: ## Remove exactly what install put there, and folders that are empty then
	for name in kachery kacheryd $(NAMES); do rm -f "$(BINDIR)/$$name" || exit 1; done
	for name in kachery $(NAMES); do rm -f "$(BASHDIR)/$$name" "$(FISHDIR)/$$name.fish" || exit 1; done
	rm -f '$(MANDIR)/kachery.1' '$(ZSHDIR)/_kachery'
	for folder in '$(MANDIR)' '$(BASHDIR)' '$(ZSHDIR)' '$(FISHDIR)' $(if $(SYSTEM_PREFIX),,'$(BINDIR)'); do \
	  while [ "$$folder" != '$(FOLDERS_TO_KEEP)' ] && rmdir "$$folder" 2>/dev/null; do folder=$$(dirname "$$folder"); done; done
	$(if $(PYTHON),'$(PYTHON)' -m pip uninstall --yes kachery-p2p kachery-client,)

UNITDIR = $(DESTDIR)/etc/systemd/system
SYSUSERSDIR = $(DESTDIR)/usr/lib/sysusers.d
SERVICES = kachery kachery-bootstrap

install-service: ## Make services of the installed daemon, for systemd; starts nothing
	install -d '$(UNITDIR)' '$(SYSUSERSDIR)'
	install -m 0644 Deploy/systemd/kachery.sysusers '$(SYSUSERSDIR)/kachery.conf'
	for name in $(SERVICES); do sed 's|/usr/local/bin/|$(PREFIX)/bin/|' "Deploy/systemd/$$name.service" \
	  > "$(UNITDIR)/$$name.service" && chmod 0644 "$(UNITDIR)/$$name.service" || exit 1; done
	$(if $(DESTDIR),,systemd-sysusers kachery.conf && if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi)

uninstall-service: ## Remove exactly what install-service put there; the user and the data stay
	$(if $(DESTDIR),,if [ -d /run/systemd/system ]; then systemctl disable --now $(SERVICES); fi)
	for name in $(SERVICES); do rm -f "$(UNITDIR)/$$name.service" || exit 1; done
	rm -f '$(SYSUSERSDIR)/kachery.conf'

clean: ## Remove everything that was built
	rm -rf .build Python/build Python/client/build Python/src/*.egg-info Python/client/src/*.egg-info
