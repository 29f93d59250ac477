# `make demo` and `make test` set up all that they need by themselves, in .venv.
# They need GNU make and Python 3.11 or newer; uv makes the set-up faster where it is installed.

PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
  BIN := $(VENV)/Scripts
else
  BIN := $(VENV)/bin
endif
UV := $(shell command -v uv 2>/dev/null)
DEMO := demo

.PHONY: demo test bench bench-explanations coverage-table formats-table gradient-table pictures models clean

ifdef UV
  # The build of torch without a GPU is a tenth as large.
  INSTALL := UV_TORCH_BACKEND=cpu uv pip install --quiet --python $(BIN)/python --editable
else
  INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable
endif

$(VENV)/pyvenv.cfg:
ifdef UV
	uv venv --quiet --python ">=3.11" $(VENV)
else
	$(PYTHON) -c "import sys; sys.exit('Python 3.11 or newer is needed; this is ' + sys.version.split()[0] if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv $(VENV)
endif

# Each stamp holds one set of packages; a changed pyproject.toml makes them anew.
$(VENV)/.ready: pyproject.toml | $(VENV)/pyvenv.cfg
	$(INSTALL) .
	touch $@

$(VENV)/.ready-%: pyproject.toml | $(VENV)/pyvenv.cfg
	$(INSTALL) ".[$(subst +,$(comma),$*)]"
	touch $@
comma := ,
# Every framework that is converted from, and what the tests need.
EVERYTHING := $(VENV)/.ready-tf+keras+tflite+torch+jax+dev

PORTRAITS := models/portraits
DIGITS := models/digits
INSPECTOR := $(BIN)/inspector

demo: $(VENV)/.ready
	$(BIN)/python -c "import pathlib; pathlib.Path('$(DEMO)').mkdir(exist_ok=True)"
	$(INSPECTOR) convert $(PORTRAITS)/lars.tflearn -o $(DEMO)/lars.onnx --force \
		--labels $(PORTRAITS)/labels.txt --channels gray --range 0..1 --certificate $(DEMO)/lars.certificate.json
	$(INSPECTOR) convert $(DIGITS)/digits.tflearn -o $(DEMO)/digits.onnx --force \
		--labels $(DIGITS)/labels.txt --channels gray --range 0..1 --certificate $(DEMO)/digits.certificate.json
	$(INSPECTOR) layers $(DEMO)/lars.onnx
	$(INSPECTOR) filters $(DEMO)/lars.onnx -l conv_1 --captions -o $(DEMO)/conv_1.png --force
	$(INSPECTOR) filters $(DEMO)/lars.onnx -l conv_2 -o $(DEMO)/conv_2.png --force
	$(INSPECTOR) filters $(DEMO)/lars.onnx -l conv_2 --reduce pca --captions -o $(DEMO)/conv_2-pca.png --force
	$(INSPECTOR) filters $(DEMO)/digits.onnx -o $(DEMO)/digits-filters --force
	$(INSPECTOR) predict $(DEMO)/lars.onnx $(PORTRAITS)/samples
	$(INSPECTOR) predict $(DEMO)/digits.onnx $(DIGITS)/samples --top 2
	$(INSPECTOR) activations $(DEMO)/lars.onnx $(PORTRAITS)/samples/00_lars_long.png -l conv_2 --top 16 \
		--overlay --captions -o $(DEMO)/activations.png --force
	$(INSPECTOR) visualize $(DEMO)/lars.onnx -l conv_2 --steps 128 -o $(DEMO)/visualization.png --force
	$(INSPECTOR) explain $(DEMO)/lars.onnx $(PORTRAITS)/samples -m layercam -m occlusion \
		--regions $(PORTRAITS)/samples/masks -o $(DEMO)/explanation.png --force
	@echo
	@echo "Look at the kernels: $(DEMO)/conv_1.png, $(DEMO)/conv_2-pca.png, $(DEMO)/conv_2.png, $(DEMO)/digits-filters"
	@echo "The proof of each conversion: $(DEMO)/lars.certificate.json, $(DEMO)/digits.certificate.json"
	@echo "What it looks at: $(DEMO)/activations.png, $(DEMO)/visualization.png, $(DEMO)/explanation.png"

test: $(EVERYTHING)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=90

bench: $(EVERYTHING)+bench
	$(BIN)/python benchmarks/run.py

bench-explanations: $(EVERYTHING)
	$(BIN)/python benchmarks/explanations.py --output docs/explanations.md

# The tables in docs, made anew by the tests' own networks.
coverage-table: $(EVERYTHING)
	$(BIN)/python tests/converters/tensorflow/coverage_table.py

formats-table: $(EVERYTHING)
	$(BIN)/python tests/converters/formats_table.py

gradient-table: $(EVERYTHING)
	$(BIN)/python tests/inspector/gradients/corpus_table.py

# The README's pictures, from the model of `make demo`.
PICTURES := docs/pictures
STRONGEST := 4,17,26,38,30,41,2,10,45,42,49,11,1,34,55,46
pictures: demo
	$(INSPECTOR) filters $(DEMO)/lars.onnx -l conv_1 --captions -o $(PICTURES)/conv_1.png --force
	$(INSPECTOR) filters $(DEMO)/lars.onnx -l conv_2 --reduce pca --captions -o $(PICTURES)/conv_2-pca.png --force
	$(INSPECTOR) activations $(DEMO)/lars.onnx $(PORTRAITS)/samples/00_lars_long.png -l conv_2 --top 16 \
		--overlay --captions -o $(PICTURES)/activations.png --force
	$(INSPECTOR) visualize $(DEMO)/lars.onnx -l conv_2 --filters $(STRONGEST) -o $(PICTURES)/visualization.png --force
	$(INSPECTOR) explain $(DEMO)/lars.onnx $(PORTRAITS)/samples/07_lars_short.png \
		$(PORTRAITS)/samples/22_other_longdark.png -m layercam -m ablation-cam -m occlusion \
		-o $(PICTURES)/explanation.png --force
	$(INSPECTOR) exemplars $(DEMO)/lars.onnx $(PORTRAITS)/samples -l conv_2 --filters 4,17,38,41 --visualize \
		-o $(PICTURES)/exemplars.png --force

models: $(EVERYTHING)
	$(BIN)/python models/portraits/train.py
	$(BIN)/python models/faces/train.py
	$(BIN)/python models/digits/train.py

clean:
	rm -rf $(VENV) $(DEMO) .mypy_cache .pytest_cache .ruff_cache .coverage
