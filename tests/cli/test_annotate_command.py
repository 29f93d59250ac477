"""`inspector annotate`."""

import json

import onnx


def test_labels_and_pixels_are_stored_and_the_model_stays_the_same(inspector, net):
    net.with_name("labels.txt").write_text("ant\nbee\ncat\n")
    said = inspector(
        "annotate", net, "-o", "out.onnx", "--labels", "labels.txt", "--range", "0..255", "--mean", "9"
    )
    assert (said.code, said.out, said.err) == (0, "", "wrote out.onnx\n")
    before, after = onnx.load(net), onnx.load("out.onnx")
    assert after.graph == before.graph
    stored = {entry.key: json.loads(entry.value) for entry in after.metadata_props}
    assert stored == {
        "inspector.labels": ["ant", "bee", "cat"],
        "inspector.preprocess": {
            "channels": "gray", "range": "0..255", "mean": [9.0], "std": [], "resize": "stretch"
        },
    }  # fmt: skip


def test_nothing_to_store_is_an_error(inspector, net):
    said = inspector("annotate", net)
    assert said.code == 1
    assert said.err.splitlines()[0].endswith(
        "there is nothing to store; expected labels or a way from pixels to the input"
    )
