# make help              show these lines
# make demo              segment, export and measure on a synthetic drive (or: make demo VIDEO=my.mp4)
# make test              run all tests, on all cores, and report the coverage
# make check             run ruff, mypy and import-linter; check the files of the repository; build the documentation
# make docs              build the documentation in site/; its page that runs models needs npm once
# make wheel             build the package of the last commit in dist/: the same bytes each time
# make constraints       update constraints.txt for pyproject.toml, keeping the versions that are in it
# make audit             look for known vulnerabilities in constraints.txt
#
# Each target installs what it needs into the active virtual environment, or into .venv, with the versions of
# constraints.txt (or the newest that pyproject.toml allows: make test CONSTRAINTS=).

PYTHON ?= python3
VENV := $(if $(VIRTUAL_ENV),$(VIRTUAL_ENV),.venv)
BIN := $(VENV)/bin
READY := $(VENV)/.edgeseg-ready
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check
CONSTRAINTS ?= -c constraints.txt
DEMO := demo
SCHEMA = $(BIN)/check-jsonschema --quiet
DOCS = NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
VIDEO ?= $(DEMO)/street/drive.mp4

.PHONY: help demo test check check-repository docs wheel constraints audit clean

help:
	@sed -n 's/^# //p;/^$$/q' Makefile

demo: $(READY)
	rm -rf $(DEMO)
	@echo "--- a synthetic drive and 60 labelled street scenes"
	$(BIN)/seg-data synth $(DEMO)/street --train 0 --val 60
	$(BIN)/seg-data prepare $(DEMO)/street $(DEMO)/dataset --size 256
	@echo "--- the video, segmented by the shipped model"
	$(BIN)/seg-run "$(VIDEO)" -o $(DEMO)/segmented.mp4
	@echo "--- the shipped model in every precision"
	$(BIN)/seg-export -o $(DEMO)/exports
	@echo "--- how fast and how accurate each one is here (on synthetic scenes; the README has the accuracy on real ones)"
	$(BIN)/seg-bench $(foreach p,fp32 fp16 int8,$(DEMO)/exports/unet-256.$(p).onnx) --video "$(VIDEO)" --data $(DEMO)/dataset --rounds 3

test: $(READY)
	$(BIN)/python docs/onnxruntime_web.py
	$(BIN)/python -m pytest -q -n auto --max-worker-restart 0 --dist loadfile --no-loadscope-reorder --cov

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory check-repository
	$(BIN)/python docs/onnxruntime_web.py
	$(DOCS)

# With the schemas in check-jsonschema. CI also runs actionlint, which is not a Python package.
check-repository: $(READY)
	$(SCHEMA) --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(SCHEMA) --builtin-schema vendor.dependabot .github/dependabot.yml
	$(SCHEMA) --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(SCHEMA) --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA) --builtin-schema vendor.citation-file-format CITATION.cff
	$(SCHEMA) --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/zizmor --offline --quiet --no-progress .github
	if command -v actionlint > /dev/null; then actionlint; fi

docs: $(READY)
	$(BIN)/python docs/onnxruntime_web.py
	$(DOCS)

# Every byte depends on the commit, setuptools and zlib only: not on the time, the place or the user of the build.
wheel: $(READY)
	rm -rf build/wheel
	umask 022 && mkdir -p build/wheel && git -c tar.umask=022 archive HEAD | tar -x -C build/wheel
	umask 022 && SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
		$(BIN)/python -m build --wheel --no-isolation --outdir dist build/wheel

# For every supported Python and system; UPGRADE=--upgrade upgrades all versions.
constraints: $(READY)
	$(BIN)/uv pip compile pyproject.toml requirements-dev.txt .ci/headless.in --extra dev --universal --python-version 3.10 \
		--no-emit-package edgeseg --no-annotate --custom-compile-command "make constraints" $(UPGRADE) -o constraints.txt

# --strict: fail if a package could not be looked up.
audit:
	test -x build/audit/bin/pip-audit || { $(PYTHON) -m venv build/audit && \
		build/audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.7,<3'; }
	build/audit/bin/pip-audit --strict --disable-pip --no-deps -r constraints.txt

clean:
	rm -rf $(DEMO) .venv build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# opencv-python needs libGL and other libraries of the system. If they are missing, the headless build replaces it.
# TensorRT's bindings are downloaded but not installed: a test compares the names in our source with theirs. Another
# test runs TensorRT's lean runtime, which shows without a GPU how TensorRT behaves without a driver.
$(READY): pyproject.toml requirements-dev.txt constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install $(CONSTRAINTS) -r requirements-dev.txt
	$(BIN)/python -c "import cv2" 2>/dev/null || { \
		$(PIP) uninstall --yes opencv-python; \
		$(PIP) install $(CONSTRAINTS) opencv-python-headless; }
	-$(PIP) download --no-deps --only-binary=:all: -d .tensorrt-bindings \
		'tensorrt-cu12-bindings==10.16.*' 'tensorrt-cu13-bindings==11.4.*'
	-$(PIP) download --no-deps --only-binary=:all: -d .tensorrt-bindings \
		'tensorrt-lean-cu12-bindings==11.4.*' 'tensorrt-lean-cu12-libs==11.4.*'
	touch $@
