"""`inspector layers`."""

import json


def test_the_table_lists_every_layer_and_the_totals(inspector, net):
    said = inspector("layers", net)
    assert said.code == 0
    assert [line.split() for line in said.out.splitlines()] == [
        ["layer", "kind", "output", "parameters", "multiply-adds"],
        ["conv_1", "Conv", "N", "x", "4", "x", "8", "x", "8", "36", "2,304"],
        ["scores", "Dense", "N", "x", "3", "768", "768"],
        ["total", "804", "3,072"],
    ]


def test_the_json_keys_are_a_contract(inspector, net):
    record = json.loads(inspector("layers", net, "--json").out)
    assert list(record) == ["model", "layers", "parameters", "multiply_adds"]
    assert record["layers"][0] == {
        "name": "conv_1",
        "kind": "Conv",
        "op_type": "Conv",
        "output": "r",
        "shape": ["N", 4, 8, 8],
        "parameters": 36,
        "multiply_adds": 2304,
    }


def test_a_file_that_is_no_model_is_told_in_one_sentence(inspector, tmp_path):
    (tmp_path / "m.onnx").write_text("hello, I am a text file")
    said = inspector("layers", "m.onnx")
    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith("error: m.onnx: ")
