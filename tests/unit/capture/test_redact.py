"""Secrets go, ordinary training output stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.capture.redact import MASK, LineRedactor, Redactor, is_secret_name
from runstream.service.keys import new_key

_NONE = Redactor({})
_HEX40 = "0123456789abcdef0123456789abcdef01234567"
_WORD = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"


def _keys() -> dict[str, str]:
    """Keys of the right form, put together here so that no scanner of secrets takes them for real."""
    long = (_WORD * 4)[:80]
    return {
        "runstream": new_key(),
        "wandb": f"wandb_v1_{long}",
        "wandb local": f"local-{_HEX40}",
        "hugging face": f"hf_{long[:34]}",
        "aws": "AKIA" + "IOSFODNN7EXAMPLE",
        "github": f"ghp_{long[:36]}",
        "github fine": f"github_pat_{long}",
        "gitlab": f"glpat-{long[:20]}",
        "openai": f"sk-proj-{long}",
        "anthropic": f"sk-ant-api03-{long}",
        "slack": f"xoxb-{'1' * 12}-{long[:24]}",
        "google": f"AIza{long[:35]}",
        "jwt": f"eyJ{long[:20]}.eyJ{long[:30]}.{long[:40]}",
    }


@pytest.mark.parametrize(("name", "key"), _keys().items(), ids=_keys())
@pytest.mark.parametrize(
    "text", ["{}", "using {} now", "key={}", '"{}",', "https://x:{}@host/", "Authorization: Bearer {}"]
)
def test_a_known_form_of_key_is_masked_wherever_it_stands(name: str, key: str, text: str) -> None:
    redacted = _NONE.text(text.format(key))
    assert key not in redacted
    assert MASK in redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("password=hunter2", "password=***"),
        ('{"password": "hunter2", "lr": 0.1}', '{"password": "***", "lr": 0.1}'),
        ("db_passwd: x9-y", "db_passwd: ***"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "AWS_SECRET_ACCESS_KEY=***"),
        ("export WANDB_API_KEY=" + _HEX40, "export WANDB_API_KEY=***"),
        ("api-key: abc123", "api-key: ***"),
        ("token=" + _WORD, "token=***"),
        ("postgres://ada:s3cret@db:5432/x", "postgres://ada:***@db:5432/x"),
        ("clone https://:tok@host/x.git", "clone https://:***@host/x.git"),
        ("GET https://s3/x?X-Amz-Signature=0123456789abcdef&a=1", "GET https://s3/x?X-Amz-Signature=***&a=1"),
        ("Authorization: Bearer abcdef0123456789", "Authorization: Bearer ***"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY----- b", "a *** b"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "***"),
    ],
)  # fmt: skip
def test_what_stands_after_a_telling_name_is_masked(text: str, redacted: str) -> None:
    assert _NONE.text(text) == redacted


ORDINARY = [
    "epoch 3/10 step 12345 loss=0.1234 lr=3e-4 tokens=4096 tokens/s: 123456 tok_per_sec=1.2e5",
    " 45%|████▌     | 450/1000 [01:23<01:42,  5.38it/s, loss=0.123, key=train/loss]",
    "Special tokens: pad_token='<pad>', eos_token: </s>, bos_token=[CLS], mask_token_id: 50264",
    "num_tokens=1099511627776 max_tokens: 2048 n_key_value_heads=8 key: value",
    "model.layers.0.self_attn.k_proj.weight torch.Size([1024, 4096]) key_states.shape=(2, 8, 1024, 128)",
    "Missing key(s) in state_dict: \"encoder.layer.0.attention.self.query.weight\", \"pooler.dense.bias\"",
    "unexpected key: backbone.stages.3.blocks.2.mlp.fc1.weight",
    "HEAD is now at 0123456789abcdef0123456789abcdef01234567 fix the loader",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 run-20240101_123456-ab12cd34",
    "key=encoder/layer_12/attention_3/head_7/weight_1/grad_norm token=tokenizer/llama-3.1-8b-instruct/v2",
    "INFO 2024-01-02 03:04:05,678 [rank 3] nccl: NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB",
    "https://huggingface.co/meta-llama/Llama-3.1-8B/resolve/main/model-00001-of-00004.safetensors",
    "s3://bucket/checkpoints/step-1000/model.pt saved in 12.3 s; see http://127.0.0.1:8080/r/-/p/abc",
    "use sk-learn-classification-benchmark-dataset-collection for the baseline",
    "keyboard interrupt; secretary problem; the tokenizer is a BPE; password is required",
    "{'api_key': None, 'token': '', 'secret': null, 'use_auth_token': False}",
    "Traceback (most recent call last): File \"train.py\", line 12, in <module> KeyError: 'loss'",
    "cuda:0 NVIDIA H100 80GB HBM3 uuid GPU-5f1b2c3d-aaaa-bbbb-cccc-0123456789ab pci 00000000:1B:00.0",
    "gather key=0.123456789012345678 token=12345678901234567890 key: 2024-01-02T03:04:05",
]  # fmt: skip


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_output_stays_as_it_is(line: str) -> None:
    environ = {
        "TOKENIZERS_PARALLELISM": "false",
        "SSH_KEY_PATH": "/home/ada/key",
        "KEY": "short",
        "MAX_TOKENS": "4096000000",
    }
    assert Redactor(environ).text(line) is line or Redactor(environ).text(line) == line


def test_values_of_secret_variables_are_masked_wherever_they_turn_up() -> None:
    redactor = Redactor({"WANDB_API_KEY": _HEX40, "MY_PASSWORD": "correct-horse 9", "PATH": "/usr/bin:/opt/x"})
    assert redactor.text(f"logged in with {_HEX40}.") == "logged in with ***."
    assert redactor.text("said correct-horse 9 aloud in /usr/bin:/opt/x") == "said *** aloud in /usr/bin:/opt/x"


@given(st.text(max_size=200), st.text("abcXYZ019+/=", min_size=8, max_size=20))
def test_no_secret_of_the_environment_is_left(text: str, value: str) -> None:
    redactor = Redactor({"A_TOKEN": f"q9{value}"})
    assert f"q9{value}" not in redactor.text(f"{text}q9{value}{text}")


@given(st.text(max_size=300))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = _NONE.text(text)
    assert _NONE.text(once) == once


def test_command_lines() -> None:
    line = [
        "train.py",
        "--lr",
        "0.1",
        "--api-key",
        "abc",
        "--hf_token=xyz1",
        "--max-tokens",
        "100",
        "password=p",
        "--key",
    ]
    assert _NONE.arguments(line) == [
        *("train.py", "--lr", "0.1", "--api-key", MASK, f"--hf_token={MASK}", "--max-tokens", "100"),
        *(f"password={MASK}", "--key"),
    ]  # fmt: skip


def test_environments() -> None:
    environ = {
        "HF_TOKEN": "abc",
        "RANK": "3",
        "DB": "mysql://a:b@c/d",
        "TOKENIZERS_PARALLELISM": "true",
        "EMPTY_KEY": "",
    }
    assert _NONE.environment(environ) == {**environ, "HF_TOKEN": MASK, "DB": "mysql://a:***@c/d"}


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [("OPENAI_API_KEY", 1), ("githubtoken", 1), ("DB_PASSWORD", 1), ("AWS_SECRET_ACCESS_KEY", 1),
     ("GOOGLE_CREDENTIALS", 1),
     ("TOKENIZERS_PARALLELISM", 0), ("PATH", 0), ("SSH_KEY_PATH", 0), ("KEYBOARD_LAYOUT", 0), ("RANK", 0)],
)  # fmt: skip
def test_names_of_secret_variables(name: str, is_secret: int) -> None:
    assert is_secret_name(name) == bool(is_secret)


def test_a_private_key_is_masked_over_its_lines() -> None:
    redact = LineRedactor(_NONE)
    lines = ["a", "-----BEGIN RSA PRIVATE KEY-----", "MIIEabc", "-----END RSA PRIVATE KEY-----", "b"]
    assert [redact("stdout", line) for line in lines] == ["a", MASK, MASK, MASK, "b"]
    redact("stdout", lines[1])
    assert redact("stderr", "other") == "other"
    assert [redact("stdout", "x") for _ in range(200)].count(MASK) == 128
    assert LineRedactor(None)("stdout", "password=hunter2") == "password=hunter2"


@pytest.mark.parametrize(
    ("name", "value", "is_masked"),
    [
        ("DB_PASSWORD", "correcthorse", True),
        ("SORT_KEY", "val_loss", False),
        ("SORT_KEY", "q7x-val-loss", True),
        ("AWS_SECRET_ACCESS_KEY", "/" + _WORD + "abcdefghijkl", True),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/home/ada/google-credentials-2024.json", False),
        ("MY_TOKEN", "abc1234", False),
    ],
)
def test_which_values_of_the_environment_are_looked_for(name: str, value: str, is_masked: bool) -> None:
    assert (Redactor({name: value}).text(f"x {value} y") == "x *** y") == is_masked
