# Set-up, demo and checks; everything they need is installed into build/.
DUCKDB_VERSIONS := 1.4.5 1.5.6 2.0.0
DUCKDB_SHELL := 1.5.6
PYTHON ?= python3
VENV := build/venv
EXTENSION := build/footfall.duckdb_extension
DUCKDBS := $(DUCKDB_VERSIONS:%=build/duckdb/%)

.PHONY: release demo test lint unit sql clients reference bench clean

release: ; cargo build --release --workspace --locked && mkdir -p build && target/release/package-extension target/release/libfootfall_extension.so $(EXTENSION)

test: lint unit sql
lint: ; cargo fmt --all --check && cargo clippy --release --workspace --all-targets --locked -- -D warnings
unit: ; cargo test --release --workspace --locked
sql: release $(DUCKDBS) ; $(PYTHON) tests/run_sql.py --extension $(EXTENSION) $(DUCKDBS:%=--duckdb %)

$(VENV)/done: tests/requirements.txt ; $(PYTHON) -m venv $(VENV) && $(VENV)/bin/pip install -q -r $< && touch $@
build/duckdb/%: | $(VENV)/done ; $(VENV)/bin/pip install -q --no-deps --target $@.new duckdb==$* && mv $@.new $@
clean: ; rm -rf build target
