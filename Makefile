# `make demo` shows everything, `make test` checks everything. What they need is installed into build/.
DUCKDB_VERSIONS := 1.4.5 1.5.6 2.0.0
SHELL_VERSION := 1.5.6
PYTHON ?= python3

# Where cargo builds: cargo itself obeys the variable, so what comes after it must look there too.
TARGET := $(or $(CARGO_TARGET_DIR),target)
# What cargo calls a shared library here.
SHARED := $(if $(filter Windows_NT,$(OS)),%.dll,$(if $(filter Darwin,$(shell uname)),lib%.dylib,lib%.so))
EXTENSION := build/footfall.duckdb_extension
# Where the CI of DuckDB's community extensions looks for it.
CI_EXTENSION := build/release/extension/footfall/footfall.duckdb_extension
PANICS := build/panics.duckdb_extension
VENV := build/venv
PIP := $(VENV)/bin/pip --disable-pip-version-check --quiet
DUCKDBS := $(DUCKDB_VERSIONS:%=build/duckdb/%)
DUCKDB_SHELL := build/shell/duckdb_cli/duckdb
RUN_ON_ALL = --extension $(EXTENSION) $(DUCKDBS:%=--duckdb %)
# Any file in the Taobao format; without one a synthetic shop is written in that format.
EVENTS ?= build/demo_events.csv

# Users of the synthetic shop that give a little more than so many events.
BENCH_USERS := 1m=10150 10m=100000 100m=1000000
SCALE ?= 10m

.PHONY: release demo test quick lint unit sql clients pages check-pages ptx fuzz faults soak valgrind deny page sail test-spark test-peers bench bench-data clean

release:
	cargo build --release --workspace --locked
	mkdir -p build
	$(TARGET)/release/package-extension $(TARGET)/release/$(subst %,footfall_extension,$(SHARED)) $(EXTENSION)
	mkdir -p $(dir $(CI_EXTENSION))
	ln -f $(EXTENSION) $(CI_EXTENSION)

DEMO := build/demo.duckdb
demo: release $(DUCKDB_SHELL) $(filter build/demo_events.csv,$(EVENTS))
	rm -f $(DEMO)
	$(DUCKDB_SHELL) $(DEMO) -unsigned -bail -box -cmd "LOAD '$(EXTENSION)'" -cmd "SET VARIABLE events = '$(EVENTS)'" -cmd ".maxwidth 160" -cmd ".echo on" < sql/pipeline.sql
	$(DUCKDB_SHELL) $(DEMO) -unsigned -bail -c "COPY (FROM page) TO 'build/study.html' (FORMAT blob)"
	@echo "The tables are in $(DEMO). Go on with them: $(DUCKDB_SHELL) $(DEMO) -unsigned -cmd \"LOAD '$(EXTENSION)'\""
	@echo "The study as pictures: open build/study.html"

test: lint unit sql clients check-pages sail
	$(if $(filter Linux,$(shell uname)),$(MAKE) --no-print-directory gpu EMULATED=1,@echo "gpu: the driver is emulated on Linux alone")

# The loop of a day's work: under a minute after a change of one line.
QUICK_DUCKDB := build/duckdb/1.5.6
quick: release $(QUICK_DUCKDB)
	cargo fmt --all --check
	cargo clippy --release --workspace --locked -- -D warnings
	cargo test --release --locked --lib
	$(VENV)/bin/python tests/run_sql.py --extension $(EXTENSION) --duckdb $(QUICK_DUCKDB)

lint:
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --locked

unit:
	cargo test --release --workspace --locked

sql: release $(DUCKDBS)
	$(VENV)/bin/python tests/run_sql.py $(RUN_ON_ALL)

clients: release $(PANICS) $(DUCKDBS) $(DUCKDB_SHELL)
	FOOTFALL_SHELL=$(DUCKDB_SHELL) FOOTFALL_PANICS=$(abspath $(PANICS)) $(VENV)/bin/python tests/clients/run.py $(RUN_ON_ALL)

pages: release $(DUCKDBS)
	$(VENV)/bin/python tests/pages.py --duckdb $(lastword $(DUCKDBS)) --extension $(EXTENSION)

check-pages: release $(DUCKDBS)
	$(VENV)/bin/python tests/pages.py --duckdb $(lastword $(DUCKDBS)) --extension $(EXTENSION) --check

# The kernels for NVIDIA cards, compiled into the text that is in the repository; no card is needed.
ptx: build/ptx/installed
	build/ptx/bin/python src/network/gpu/ptx.py

build/ptx/installed: src/network/gpu/requirements.txt
	$(PYTHON) -m venv build/ptx
	build/ptx/bin/pip --quiet install -r $<
	touch $@

# What a machine with a card and Python, but without Rust, needs to check and time `device := 'cuda'`: there
# `tar xzf gpu-kit.tar.gz && python3 gpu-kit/run.py`. GPU_PYTHON is the version of that Python, which DuckDB's wheel must be for.
.PHONY: gpu-kit gpu sanitize-gpu
GPU := build/gpu
GPU_PYTHON ?= $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
GPU_DUCKDB := $(lastword $(DUCKDB_VERSIONS))
GPU_WHEEL = $(GPU)/wheels/$(GPU_DUCKDB)/$(GPU_PYTHON)
gpu-kit: release $(GPU_WHEEL)
	$(PYTHON) tests/gpu/kit.py --extension $(EXTENSION) --wheel $(GPU_WHEEL)/*.whl --output $(GPU)/gpu-kit.tar.gz

$(GPU)/wheels/$(GPU_DUCKDB)/%: $(VENV)/installed
	rm -rf $@
	$(PIP) download --no-deps --only-binary=:all: --python-version $* --dest $@ duckdb==$(GPU_DUCKDB)

# Unpacks the kit and runs it on this machine's card; exits with 3 without one. `EMULATED=1` takes the emulated driver and the least work of
# each kind, which checks the script and the kit, and times nothing.
gpu: gpu-kit
	rm -rf $(GPU)/gpu-kit
	tar xzf $(GPU)/gpu-kit.tar.gz -C $(GPU)
	$(if $(EMULATED),FOOTFALL_CUDA_DRIVER=$$($(PYTHON) tests/emulated/build.py)) $(PYTHON) $(GPU)/gpu-kit/run.py --output $(GPU)/$(if $(EMULATED),emulated,gpu).jsonl $(if $(EMULATED),--small)

# The kernels' source under AddressSanitizer, UBSan and ThreadSanitizer behind the emulated driver, minutes. Then each barrier of kernels.cu
# is left out in turn, and ThreadSanitizer has to mind: one that it does not miss fails the target.
sanitize-gpu:
	$(PYTHON) tests/emulated/sanitize.py

# Longer than a test may take: a million damaged values.
fuzz:
	FOOTFALL_FUZZ_CASES=1000000 cargo test --release --workspace --locked --test fuzz -- --nocapture

# 200 interrupts of each long operation and 20 killed processes; 10 minutes of eight connections at once.
SOAK_SECONDS ?= 600
faults: release $(DUCKDBS)
	FOOTFALL_FAULTS=200 $(VENV)/bin/python tests/clients/run.py $(RUN_ON_ALL) tests/clients/test_faults.py

soak: release $(DUCKDBS)
	SOAK_SECONDS=$(SOAK_SECONDS) $(VENV)/bin/python tests/clients/run.py --extension $(EXTENSION) --duckdb $(lastword $(DUCKDBS)) tests/clients/test_soak.py

# The boundary and the decoders under Valgrind inside the real DuckDB, compiled with the names and lines of our functions.
WITH_LINES := -C strip=none -C debuginfo=line-tables-only
VALGRIND := build/valgrind
valgrind: release $(DUCKDBS)
	mkdir -p $(VALGRIND)
	cargo rustc --release --locked -p footfall-extension --lib -- $(WITH_LINES)
	$(TARGET)/release/package-extension $(TARGET)/release/$(subst %,footfall_extension,$(SHARED)) $(VALGRIND)/footfall.duckdb_extension
	cargo rustc --release --locked -p footfall-extension --features panics --example panics -- $(WITH_LINES)
	$(TARGET)/release/package-extension $(TARGET)/release/examples/$(subst %,panics,$(SHARED)) $(VALGRIND)/panics.duckdb_extension
	cargo rustc --release --locked --test fuzz --message-format=json -- $(WITH_LINES) | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | xargs -I FUZZ cp FUZZ $(VALGRIND)/fuzz
	$(VENV)/bin/python tests/valgrind/run.py --duckdb $(lastword $(DUCKDBS)) --extension $(VALGRIND)/footfall.duckdb_extension --panics $(VALGRIND)/panics.duckdb_extension --fuzz $(VALGRIND)/fuzz

# Licences and sources of what is linked in; what cargo-deny needs is installed into build/.
deny: build/tools/bin/cargo-deny
	build/tools/bin/cargo-deny --locked check licenses bans sources

build/tools/bin/cargo-deny:
	cargo install --locked --root build/tools cargo-deny@0.20.2

# The page of the report in a browser: rules of access, layout, contrast, keys, print. Needs Debian's chromium, nodejs, npm and
# poppler-utils, and leaves screenshots in build/page/shots.
page: release $(DUCKDB_SHELL) build/page/installed
	$(DUCKDB_SHELL) -unsigned -bail -cmd "LOAD '$(EXTENSION)'" < tests/page/pages.sql
	NODE_PATH=$(abspath build/page/node_modules) node tests/page/check.js build/page/shots build/page/days.html build/page/months.html build/page/hostile.html

build/page/installed: tests/page/package.json
	mkdir -p build/page
	cp $< build/page/
	npm install --prefix build/page --no-audit --no-fund
	touch $@

# What needs PyTorch, scikit-learn, pandas and Polars (gigabytes): not part of `make test`.
test-peers: release build/peers/installed
	FOOTFALL_EXTENSION=$(EXTENSION) build/peers/bin/python tests/peers/test_torch.py
	FOOTFALL_EXTENSION=$(EXTENSION) build/peers/bin/python tests/peers/test_lifetimes.py
	FOOTFALL_EXTENSION=$(EXTENSION) build/peers/bin/python tests/peers/test_scikit_learn.py
	cargo test --release --manifest-path tests/peers/linfa/Cargo.toml --target-dir $(TARGET)/peers

# Clients whose packages are large: dbt, Jupyter, ADBC, Node (needs nodejs and npm).
LARGE := build/clients
NODE_API := @duckdb/node-api@1.5.6-r.1
.PHONY: test-clients-large
test-clients-large: wheel $(LARGE)/installed
	$(LARGE)/bin/pip --disable-pip-version-check --quiet install --no-deps --force-reinstall $(WHEEL)/*.whl
	FOOTFALL_EXTENSION=$(abspath $(EXTENSION)) FOOTFALL_NODE_MODULES=$(abspath $(LARGE)/node_modules) $(LARGE)/bin/python -m unittest discover --verbose --start-directory tests/clients/large

$(LARGE)/installed: tests/clients/large/requirements.txt
	$(PYTHON) -m venv $(LARGE)
	$(LARGE)/bin/pip --quiet install -r $<
	npm install --prefix $(LARGE) --no-audit --no-fund $(NODE_API)
	touch $@

# The wheel's adaptor on Sail (0.6 GB of wheels, no Java), and on Apache Spark, which needs Java 17 and is not part of `make test`.
SPARK := build/spark
UNPACK_WHEEL = rm -rf $(SPARK)/wheel && $(PYTHON) -m zipfile -e $(WHEEL)/*.whl $(SPARK)/wheel
sail: wheel $(SPARK)/requirements/installed $(DUCKDBS)
	$(UNPACK_WHEEL)
	PYTHONPATH=$(abspath $(SPARK)/wheel):$(abspath $(lastword $(DUCKDBS))) $(SPARK)/requirements/bin/python tests/spark/test_sail.py

test-spark: wheel $(SPARK)/requirements_java/installed $(DUCKDBS)
	$(UNPACK_WHEEL)
	FOOTFALL_DUCKDBS=$(abspath $(firstword $(DUCKDBS))) PYTHONPATH=$(abspath $(SPARK)/wheel):$(abspath $(lastword $(DUCKDBS))) $(SPARK)/requirements_java/bin/python tests/spark/test_spark.py

$(SPARK)/%/installed: tests/spark/%.txt
	$(PYTHON) -m venv $(dir $@)
	$(dir $@)bin/pip --quiet install -r $<
	touch $@

bench: release build/peers/installed $(DUCKDBS)
	cargo build --release --benches --locked
	build/peers/bin/python benches/engine.py
	FOOTFALL_EXTENSION=$(EXTENSION) build/peers/bin/python benches/predict.py
	FOOTFALL_EXTENSION=$(EXTENSION) build/peers/bin/python benches/training_scale.py
	FOOTFALL_EXTENSION=$(EXTENSION) build/peers/bin/python benches/quality.py
	build/peers/bin/python benches/kmeans.py --duckdb $(lastword $(DUCKDBS)) --extension $(EXTENSION)
	build/peers/bin/python benches/value.py --duckdb $(lastword $(DUCKDBS)) --extension $(EXTENSION)
	build/peers/bin/python benches/propensity.py --duckdb $(lastword $(DUCKDBS)) --extension $(EXTENSION)
	FOOTFALL_EXTENSION=$(EXTENSION) build/peers/bin/python benches/trees.py
	build/peers/bin/python benches/items.py --duckdb $(lastword $(DUCKDBS)) --extension $(EXTENSION)
	build/peers/bin/python benches/relational.py --duckdb $(lastword $(DUCKDBS)) --extension $(EXTENSION)
	build/peers/bin/python benches/serving.py --duckdb $(lastword $(DUCKDBS)) --extension $(EXTENSION)

build/peers/installed: tests/peers/requirements.txt
	$(PYTHON) -m venv build/peers
	build/peers/bin/pip --quiet install -r $<
	touch $@

# Events to measure on: `make bench-data SCALE=1m`, 10m or 100m.
bench-data: $(if $(filter $(SCALE)=%,$(BENCH_USERS)),build/events_$(SCALE).parquet,$(error SCALE is '$(SCALE)'; allowed: 1m, 10m, 100m))
build/events_%.parquet: release $(DUCKDB_SHELL)
	$(DUCKDB_SHELL) -unsigned -bail -c "LOAD '$(EXTENSION)'; SET preserve_insertion_order = false; COPY (FROM footfall.generate_events(users := $(patsubst $*=%,%,$(filter $*=%,$(BENCH_USERS))))) TO '$@'"

build/demo_events.csv: release $(DUCKDB_SHELL)
	$(DUCKDB_SHELL) -unsigned -c "LOAD '$(EXTENSION)'" -c "COPY (SELECT user_id, item_id, category_id, action, epoch(ts - INTERVAL 8 HOURS)::BIGINT FROM footfall.generate_events(users := 1000, seed := 42) ORDER BY ALL) TO '$@' (HEADER false)"

# Our own crate alone is compiled again: the gates of the extension around functions that panic.
$(PANICS): release
	cargo build --release --locked -p footfall-extension --features panics --example panics
	$(TARGET)/release/package-extension $(TARGET)/release/examples/$(subst %,panics,$(SHARED)) $@

$(VENV)/installed: tests/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -r $<
	touch $@

build/duckdb/%: $(VENV)/installed
	rm -rf $@
	$(PIP) install --no-deps --target $@ duckdb==$*

$(DUCKDB_SHELL): $(VENV)/installed
	rm -rf build/shell
	$(PIP) install --no-deps --target build/shell duckdb-cli==$(SHELL_VERSION)
	chmod +x $@
	touch $@

clean:
	rm -rf build target

# Ways to get it. What is made lies in build/; no private key is kept.
.PHONY: wheel
WHEEL := build/wheel
wheel: release $(VENV)/installed
	rm -rf $(WHEEL)
	$(VENV)/bin/python extension/packaging/wheel.py --extension $(EXTENSION) --output $(WHEEL)

# `make repository KEY=key.pem`: the folder to serve; `REPOSITORY=DIR` adds this platform to a folder that has others.
REPOSITORY := build/repository
.PHONY: repository
repository: release $(VENV)/installed
	$(VENV)/bin/python extension/packaging/repository.py --extension $(EXTENSION) --key $(or $(KEY),$(error KEY is missing: `make repository KEY=key.pem`; `openssl genrsa -out key.pem 2048` makes one)) --output $(REPOSITORY) $(DUCKDB_VERSIONS)

# The release archive; `make dist KEY=key.pem` signs the binary in it.
.PHONY: dist
dist: release $(VENV)/installed
	rm -rf build/dist
	$(VENV)/bin/python extension/packaging/archive.py --extension $(EXTENSION) $(KEY:%=--key %) --output build/dist $(DUCKDB_VERSIONS)

# What the CI of DuckDB's community extensions calls. One binary serves every DuckDB, and there is one profile: nothing is set
# or configured, and `debug` is the binary that ships. In its containers the wheels of DuckDB do not run: no tests there.
.PHONY: set_duckdb_version set_duckdb_tag configure_ci debug test_release test_debug community
set_duckdb_version set_duckdb_tag configure_ci:
	@echo "$@: nothing to do, the binary serves every DuckDB from 1.4 on"

debug: release
	mkdir -p build/debug/extension/footfall
	ln -f $(EXTENSION) build/debug/extension/footfall/

ifeq ($(LINUX_CI_IN_DOCKER),1)
test_release test_debug:
	@echo "$@: no tests inside the container"
else
test_release: release $(DUCKDBS)
	$(VENV)/bin/python tests/run_sql.py $(DUCKDBS:%=--duckdb %) --extension $(CI_EXTENSION)

test_debug: debug $(DUCKDBS)
	$(VENV)/bin/python tests/run_sql.py $(DUCKDBS:%=--duckdb %) --extension build/debug/extension/footfall/footfall.duckdb_extension
endif

# What is submitted there, such as `make community GITHUB=owner/footfall MAINTAINER=owner`.
community: $(VENV)/installed
	$(VENV)/bin/python extension/packaging/community.py --github $(or $(GITHUB),$(error GITHUB is missing: owner/name of the public repository)) --maintainer $(or $(MAINTAINER),$(error MAINTAINER is missing: a name on GitHub)) --output build/community

# Their CI's steps on a fresh clone of what is committed, as far as they need no network but the registries.
CLONE := build/community/clone
.PHONY: community-ci
community-ci:
	rm -rf $(CLONE)
	git clone --quiet . $(CLONE)
	CARGO_TARGET_DIR=$(abspath $(TARGET)) $(MAKE) --no-print-directory -C $(CLONE) set_duckdb_version configure_ci
	CARGO_TARGET_DIR=$(abspath $(TARGET)) $(MAKE) --no-print-directory -C $(CLONE) release
	CARGO_TARGET_DIR=$(abspath $(TARGET)) $(MAKE) --no-print-directory -C $(CLONE) test_release
	test -s $(CLONE)/$(CI_EXTENSION)
