"""Settings: argument > environment > file > default, each with wandb's names as fallback."""

from __future__ import annotations

from pathlib import Path

import pytest

from runstream import settings
from runstream._settings_forms import translated
from runstream.errors import InvalidField


def test_precedence(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('project = "file"\nentity = "file"\nname = "file"\nnotes = "file"\n')
    environ = {
        "RUNSTREAM_CONFIG": str(tmp_path),
        "RUNSTREAM_ENTITY": "own",
        "WANDB_ENTITY": "twin",
        "WANDB_NAME": "twin",
        "RUNSTREAM_PROJECT": "own",
    }
    found = settings.load({"project": "argument"}, environ)
    assert (found.project, found.entity, found.name, found.notes) == ("argument", "own", "twin", "file")
    assert found.base_url == settings.DEFAULT_BASE_URL


def test_values_are_converted() -> None:
    found = settings.load({"tags": ["a", "b "], "finish_timeout_s": "2.5", "quiet": "true"}, {"WANDB_TAGS": "x"})
    assert (found.tags, found.finish_timeout_s, found.quiet) == (("a", "b"), 2.5, True)
    assert settings.load({}, {"WANDB_TAGS": "x, y"}).tags == ("x", "y")
    assert settings.load({}, {"RUNSTREAM_SPOOL_MAX_BYTES": "2000000"}).spool_max_bytes == 2_000_000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "sometimes"),
        ("forwarder", "mine"),
        ("project", "a/b"),
        ("project", "x" * 129),
        ("run_id", "a\nb"),
        ("finish_timeout_s", "soon"),
        ("finish_timeout_s", -1),
        ("finish_timeout_s", float("nan")),
        ("spool_max_bytes", "much"),
        ("spool_max_bytes", 1000),
    ],
)
def test_what_cannot_be_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidField, match=field):
        settings.load({field: value}, {})


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("project = ")
    with pytest.raises(InvalidField, match=r"settings\.toml"):
        settings.load({}, {"RUNSTREAM_CONFIG": str(tmp_path)})


def test_a_kept_key_belongs_to_its_server_and_to_this_user_alone(tmp_path: Path) -> None:
    environ = {"RUNSTREAM_CONFIG": str(tmp_path)}
    path = settings.store_key("http://one/", "rs-1", environ)
    settings.store_key("http://two", "rs-2", environ)
    assert settings.load({"base_url": "http://one"}, environ).api_key == "rs-1"
    assert settings.load({"base_url": "http://two/"}, environ).api_key == "rs-2"
    assert settings.load({"base_url": "http://three"}, environ).api_key == ""
    assert path.stat().st_mode & 0o077 == 0


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(settings.Settings(api_key="rs-secret"))


def test_system_metrics_by_our_names_and_wandbs() -> None:
    assert settings.load({}, {}).system_metrics
    assert not settings.load({}, {"RUNSTREAM_SYSTEM_METRICS": "false"}).system_metrics
    assert not settings.load({}, {"WANDB_X_DISABLE_STATS": "true"}).system_metrics
    assert settings.load({}, {"WANDB_X_DISABLE_STATS": "true", "RUNSTREAM_SYSTEM_METRICS": "1"}).system_metrics
    given = translated({"x_disable_stats": True, "x_stats_sampling_interval": 5})
    assert given == {"system_metrics": False, "system_metrics_interval_s": 5}
