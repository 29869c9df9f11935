"""Settings as people hand them over: by our names or wandb's, only what is given."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from runstream import settings as settings_module
from runstream.errors import InvalidField

_OURS = frozenset(field.name for field in fields(settings_module.Settings))
_RENAMED = {
    "run_name": "name",
    "run_notes": "notes",
    "run_tags": "tags",
    "run_job_type": "job_type",
    "root_dir": "dir",
    "silent": "quiet",
    "finish_timeout": "finish_timeout_s",
    "init_timeout": "init_timeout_s",
    "x_stats_sampling_interval": "system_metrics_interval_s",
}
# Settings of wandb 0.31 and before for which there is nothing to set here. Those that begin with x_ or _ are too.
_WITHOUT_EFFECT = """
    allow_media_symlink allow_offline_artifacts anonymous app_url_override azure_account_url_to_access_key
    capture_loggers code_dir config_paths console console_chunk_max_bytes console_chunk_max_seconds
    console_multipart credentials_file disable_code disable_git disable_git_fork_point disable_job_creation
    docker email finish_timeout_raises git_commit git_remote git_remote_url git_root heartbeat_seconds host
    http_proxy https_proxy identity_token_file ignore_globs insecure_disable_ssl job_name job_source
    label_disable launch launch_config_path login_timeout max_end_of_run_history_metrics
    max_end_of_run_summary_metrics notebook_name organization program program_abspath program_relpath relogin
    resumed sagemaker_disable save_code settings_system show_colors show_emoji show_errors show_info
    show_warnings start_method stop_fn stop_on_fatal_error summary_timeout summary_warnings sweep_id
    sweep_param_path symlink sync_tensorboard table_raise_on_max_row_limit_exceeded use_dot_wandb username
"""
_said: set[str] = set()


class Settings:
    """Settings that are given: ``runstream.Settings(project="p", quiet=True)``.

    Takes the names of ``runstream.settings.Settings`` and those of ``wandb.Settings``. What is not given comes from
    the environment, the settings file and the defaults. wandb's settings that have no effect here are said so,
    once; a name that neither knows is an error.

    Raises:
        InvalidField: a setting of this name is not known.
    """

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(translated(given))

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__.update(translated({name: value}))

    def __getattr__(self, name: str) -> Any:
        known = _RENAMED.get(name, name)
        if known in self.__dict__:
            return self.__dict__[known]
        if known in _OURS:
            return getattr(settings_module.load(self.__dict__), known)
        raise AttributeError(name)

    def __repr__(self) -> str:
        shown = {name: "***" if name == "api_key" else value for name, value in self.__dict__.items()}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def given_settings(settings: object) -> dict[str, Any]:
    """Settings in any of their forms, by our names; None is none.

    Raises:
        InvalidField: it has another form, or a setting is not known.
    """
    if settings is None:
        return {}
    if isinstance(settings, (Settings, settings_module.Settings)):
        return dict(settings.__dict__)
    if isinstance(settings, Mapping):
        return translated(settings)
    raise InvalidField("settings", f"must be a mapping or runstream.Settings, not {type(settings).__name__}")


def translated(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by our names, without those that have no effect.

    Raises:
        InvalidField: a setting is not known.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        known = _RENAMED.get(name, name)
        if name in ("x_disable_stats", "_disable_stats") and value is not None:
            found["system_metrics"] = not value
        elif known in _OURS:
            found[known] = value
        elif name in _WITHOUT_EFFECT.split() or name.startswith(("x_", "_")):
            if value is not None and name not in _said:
                _said.add(name)
                print(f"runstream: wandb's setting {name!r} has no effect here", file=sys.stderr)
        else:
            raise InvalidField("settings", f"there is no setting {name!r}{_similar(name)}")
    return found


def _similar(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, sorted(_OURS | set(_RENAMED)), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
