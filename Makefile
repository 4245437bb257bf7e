# make demo              the whole road on a synthetic drive (or: make demo VIDEO=my.mp4)
# make test              all tests
# make check             ruff, mypy, import-linter, and the documentation without a warning
# make docs              the documentation, in site/
#
# Each sets up what it needs: in the active virtual environment, or in .venv.

PYTHON ?= python3
VENV := $(if $(VIRTUAL_ENV),$(VIRTUAL_ENV),.venv)
BIN := $(VENV)/bin
READY := $(VENV)/.edgeseg-ready
DEMO := demo
DOCS = NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
VIDEO ?= $(DEMO)/street/drive.mp4

.PHONY: demo test check docs clean

demo: $(READY)
	rm -rf $(DEMO)
	@echo "--- a synthetic drive and 60 labelled street scenes"
	$(BIN)/seg-data synth $(DEMO)/street --train 0 --val 60
	$(BIN)/seg-data prepare $(DEMO)/street $(DEMO)/dataset --size 256
	@echo "--- the video, segmented by the shipped model"
	$(BIN)/seg-run "$(VIDEO)" -o $(DEMO)/segmented.mp4
	@echo "--- the shipped model in every precision"
	$(BIN)/seg-export -o $(DEMO)/exports
	@echo "--- how fast and how right each one is here (the accuracy is on synthetic scenes; the README has the real one)"
	$(BIN)/seg-bench $(foreach p,fp32 fp16 int8,$(DEMO)/exports/unet-256.$(p).onnx) --video "$(VIDEO)" --data $(DEMO)/dataset --rounds 3

test: $(READY)
	$(BIN)/python -m pytest -q

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(DOCS)

docs: $(READY)
	$(DOCS)

clean:
	rm -rf $(DEMO) .venv build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# opencv-python needs libGL and others from the system. Where they lack, and no one may install them, the headless
# build does the same work. The bindings of TensorRT are not installed, only read: a test holds the names we use
# against theirs.
$(READY): pyproject.toml requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -c "import cv2" 2>/dev/null || { \
		$(BIN)/python -m pip uninstall --quiet --yes opencv-python; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check opencv-python-headless; }
	-$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		-d .tensorrt-bindings 'tensorrt-cu12-bindings==10.16.*' 'tensorrt-cu13-bindings==11.4.*'
	touch $@
