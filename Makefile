# pyport. `make help` lists the targets; `make demo` and `make test` need
# nothing done before them.

# Which CPython is embedded: make PYTHON=/usr/bin/python3.12
export PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_RUNS ?= 200000
# make demo FILE=/path/to/text, make bench ONLY=latency
export FILE ?=
ONLY ?= all

VERSION = $(shell sed -n 's/.*{vsn, *"\([^"]*\)".*/\1/p' erlang_src/pyport.app.src)
APP = _build/default/lib/pyport
INSTALLED = $(DESTDIR)$(PREFIX)/lib/erlang/lib/pyport-$(VERSION)
PYTHON_FILES = python_lib test examples scripts
SHELL_SCRIPTS = $(filter-out %.py,$(wildcard scripts/*)) .ci/run

.DEFAULT_GOAL = build
.PHONY: help bootstrap bootstrap-check priv build demo test check tidy format fix-format \
    compilers unit lint xref dialyzer clang-tidy python-lint shell-lint asan tsan fuzz ct edoc \
    bench install clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

bootstrap:
	@scripts/bootstrap

bootstrap-check:
	@scripts/bootstrap --check

# What rebar3's hook calls: the program and the Python package, in priv/.
priv: bootstrap
	@directory=$$(scripts/build-port release pyport) && scripts/fill-priv "$$directory"

build: priv $(APP)/ebin/pyport.app ## build the program and the application

$(APP)/ebin/pyport.app: rebar.config $(wildcard erlang_src/*) | priv
	@rebar3 compile
	@touch $@

demo: build ## Python analyses a text, crashes, and the next call carries on
	@escript examples/analyse_text.escript $${FILE:+"$$FILE"}

test: build ## build everything and run all tests
	@scripts/test_all.py

check: bootstrap-check ## every check there is, in order; stops at the first failure
	@$(MAKE) --no-print-directory tidy
	@$(MAKE) --no-print-directory format
	@$(MAKE) --no-print-directory compilers
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory asan
	@$(MAKE) --no-print-directory tsan
	@$(MAKE) --no-print-directory fuzz
	@$(MAKE) --no-print-directory ct
	@$(MAKE) --no-print-directory edoc

tidy: bootstrap-check ## the rules that no compiler checks
	/usr/bin/python3 test/tidy.py

format: bootstrap-check ## are C++ and Python formatted?
	git ls-files -z '*.cpp' '*.hpp' '*.c' | xargs -0r clang-format --dry-run --Werror
	black --check --quiet $(PYTHON_FILES)
	isort --check --quiet $(PYTHON_FILES)

fix-format: bootstrap-check ## format C++ and Python
	git ls-files -z '*.cpp' '*.hpp' '*.c' | xargs -0r clang-format -i
	black --quiet $(PYTHON_FILES)
	isort --quiet $(PYTHON_FILES)

compilers: bootstrap-check ## g++ and clang with thread-safety analysis, no warning
	scripts/build-port release
	scripts/build-port dev

unit: build ## doctest, unittest, eunit
	scripts/test_all.py port python eunit

lint: clang-tidy xref dialyzer python-lint shell-lint ## all static analysis

clang-tidy: bootstrap-check
	scripts/build-port tidy

xref: build
	rebar3 xref

dialyzer: build
	rebar3 dialyzer

python-lint: bootstrap-check
	mypy
	git ls-files -z '*.py' | xargs -0r pyflakes3

shell-lint: bootstrap-check
	shellcheck $(SHELL_SCRIPTS)

asan: bootstrap-check build ## unit and life tests under address and undefined
	scripts/test-sanitized asan

tsan: bootstrap-check build ## unit and life tests under thread
	scripts/test-sanitized tsan

fuzz: bootstrap-check ## FUZZ_RUNS inputs for each fuzz target
	directory=$$(scripts/build-port fuzz) && scripts/fuzz.py "$$directory" $(FUZZ_RUNS)

ct: build ## common test
	scripts/test_all.py erlang

edoc: build ## the manual; a broken reference fails
	rebar3 edoc

bench: build ## measure; ONLY=latency,load,... chooses
	@scripts/bench $(ONLY)

install: build ## PREFIX=/usr/local DESTDIR=; then ERL_LIBS=PREFIX/lib/erlang/lib
	install -d $(INSTALLED)/ebin $(INSTALLED)/priv $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(APP)/ebin/* $(INSTALLED)/ebin
	install -m 755 priv/pyport $(INSTALLED)/priv
	rm -rf $(INSTALLED)/priv/python
	cp -R priv/python $(INSTALLED)/priv/python
	find $(INSTALLED)/priv/python -name __pycache__ -prune -exec rm -rf {} +
	install -m 644 LICENSE README.md CHANGELOG.md $(INSTALLED)
	ln -sfn ../lib/erlang/lib/pyport-$(VERSION)/priv/pyport $(DESTDIR)$(PREFIX)/bin/pyport

clean: ## remove what was built
	rm -rf build _build priv
