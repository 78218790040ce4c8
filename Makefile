# SPDX-License-Identifier: Apache-2.0
# The front door. Behind it stands meson; each target installs what it needs and is missing (tools/setup).
#
#   make               build/nuncio (release)          make run     build, start examples/quickstart
#   make test          unit and end-to-end tests, ASan and UBSan    make asan / tsan   the same, by name
#   make fuzz          short run of every fuzz target  make bench   BENCH_ARGS="--scenario h1-1k --rounds 3"
#   make lint          clang-tidy, cppcheck, layers    make format  clang-format over src/
#   make corpus        CORPUS=folder                   make attacks the timed conditions of test/attacks
#   make install       DESTDIR= PREFIX=/usr/local      make clean
SHELL := /bin/bash
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 20
BENCH_ARGS ?=
VENV := .venv/bin/python

all: build/nuncio

build/nuncio: FORCE
	@tools/setup run
	@tools/build build -Dbuildtype=release -Db_lto=true -Db_ndebug=false

run: build/nuncio
	@exec examples/quickstart/run build/nuncio

# What the newcomer runs: unit tests, corpora of the fuzz targets, layers, end-to-end tests.
test: asan

asan:
	@tools/setup test
	@tools/build build-asan -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false
	@tools/run-tests build-asan $(PYTEST_ARGS)

tsan:
	@tools/setup test
	@tools/build build-tsan -Dbuildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false
	@tools/run-tests build-tsan $(PYTEST_ARGS)

fuzz:
	@tools/setup fuzz
	@CC=clang CXX=clang++ tools/build build-fuzz -Dbuildtype=debugoptimized -Dfuzz=true \
	  -Db_sanitize=address,undefined -Db_lundef=false
	@tools/run-fuzz build-fuzz $(FUZZ_SECONDS)

bench: build/nuncio
	@tools/setup bench
	@bench/run.py $(BENCH_ARGS)

lint:
	@tools/setup lint
	@tools/check-layers
	@tools/build build-lint -Dbuildtype=debug -Dwerror=true
	@tools/lint build-lint

format:
	@tools/setup lint
	@git ls-files 'src/*.c' 'src/*.h' | xargs clang-format -i

corpus: build/nuncio
	@tools/setup test
	@test -n "$(CORPUS)" || { echo "usage: make corpus CORPUS=folder (with manifest.tsv in it or in configs/)" >&2; exit 2; }
	@$(VENV) tools/corpus "$(CORPUS)" build/nuncio $(CORPUS_ARGS)

attacks: build/nuncio
	@tools/setup test
	@NUNCIO=build/nuncio $(VENV) -m pytest -q test/attacks

install: build/nuncio
	install -D -m 755 -s build/nuncio "$(DESTDIR)$(PREFIX)/bin/nuncio"
	install -D -m 644 docs/man/nuncio.8 "$(DESTDIR)$(PREFIX)/share/man/man8/nuncio.8"
	install -d "$(DESTDIR)$(PREFIX)/lib/systemd/system"
	sed 's|@PREFIX@|$(PREFIX)|g' packaging/nuncio.service >"$(DESTDIR)$(PREFIX)/lib/systemd/system/nuncio.service"
	chmod 644 "$(DESTDIR)$(PREFIX)/lib/systemd/system/nuncio.service"

clean:
	rm -rf build build-asan build-tsan build-fuzz build-lint bench/build

FORCE:
.PHONY: all run test asan tsan fuzz bench lint format corpus attacks install clean FORCE
