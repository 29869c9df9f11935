"""What a run is called and where it is: the attributes that wandb's users read, and the few they set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runstream.errors import InvalidField

if TYPE_CHECKING:
    from runstream._resume import Beginning
    from runstream.identity import Identity
    from runstream.settings import Settings


class Attributes:
    """The attributes of a run. ``Run`` adds what it does.

    Attributes:
        id: the run's id.
        resumed: whether it goes on in a run that the server had before.
        starting_step: step that its first row gets.
        start_time: when this process's part began, seconds since 1970.
    """

    id: str
    resumed: bool
    starting_step: int
    start_time: float
    _settings: Settings
    _identity: Identity
    _directory: Path
    _is_finished: bool

    def _say_attributes(self, attributes: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def _take_attributes(self, settings: Settings, beginning: Beginning) -> None:
        """Settles the attributes: what was given, or else what the run had before."""
        before = beginning.earlier if beginning.is_resumed else None
        self._name = settings.name or (before.display_name if before else "") or self.id
        self._notes = settings.notes or (before.notes if before else "")
        self._tags = settings.tags or (before.tags if before else ())
        self._group = settings.run_group or (before.group if before else "")
        self._job_type = settings.job_type or (before.job_type if before else "")

    def _given_attributes(self) -> dict[str, Any]:
        """What was given, in the terms of a record; the server keeps what is not said as it is."""
        settings = self._settings
        said: dict[str, Any] = {"displayName": settings.name, "group": settings.run_group, "notes": settings.notes}
        said["jobType"] = settings.job_type
        if settings.tags:
            said["tags"] = {"values": list(settings.tags)}
        return {name: value for name, value in said.items() if value}

    @property
    def name(self) -> str:
        """Name shown to people; may be set."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = _text("name", name)
        self._say_attributes({"displayName": self._name})

    @property
    def notes(self) -> str:
        """Free text; may be set."""
        return self._notes

    @notes.setter
    def notes(self, notes: str | None) -> None:
        self._notes = _text("notes", notes or "")
        self._say_attributes({"notes": self._notes})

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags; may be set, and ``run.tags += ("one",)`` adds one."""
        return self._tags

    @tags.setter
    def tags(self, tags: Iterable[str] | None) -> None:
        if isinstance(tags, str):
            raise InvalidField("tags", f"must be several strings, not the one string {tags!r:.100}")
        self._tags = tuple(dict.fromkeys(_text("tags", tag) for tag in tags or ()))
        self._say_attributes({"tags": {"values": list(self._tags)}})

    @property
    def group(self) -> str:
        """Group of runs that belong together."""
        return self._group

    @property
    def job_type(self) -> str:
        """Role of the run in its group."""
        return self._job_type

    @property
    def project(self) -> str:
        """The run's project."""
        return self._settings.project

    @property
    def entity(self) -> str:
        """The run's entity; empty means the API key's own."""
        return self._settings.entity

    @property
    def path(self) -> str:
        """``entity/project/id``; an entity of "-" means the API key's own."""
        return f"{self.entity or '-'}/{self.project}/{self.id}"

    @property
    def dir(self) -> str:
        """The folder of this process's part of the run; its spool is there."""
        return str(self._directory)

    @property
    def url(self) -> str:
        """The run's page."""
        return f"{self._settings.base_url.split(',')[0].rstrip('/')}/r/{self.path}"

    @property
    def project_url(self) -> str:
        """The project's page."""
        return f"{self._settings.base_url.split(',')[0].rstrip('/')}/p/{self.entity or '-'}/{self.project}"

    @property
    def rank(self) -> int:
        """Rank of this process."""
        return self._identity.rank

    @property
    def world_size(self) -> int:
        """Number of ranks."""
        return self._identity.world_size

    @property
    def attempt(self) -> int:
        """Which start of the job this is."""
        return self._identity.attempt

    @property
    def settings(self) -> Settings:
        """The settings that are in force."""
        return self._settings

    @property
    def offline(self) -> bool:
        """Whether nothing is sent while the run goes on."""
        return self._settings.mode == "offline"

    @property
    def disabled(self) -> bool:
        """Whether nothing is kept at all."""
        return self._settings.mode == "disabled"

    @property
    def has_ended(self) -> bool:
        """Whether the run has been finished."""
        return self._is_finished

    @property
    def sweep_id(self) -> None:
        """The sweep that started the run; there is none."""
        return None

    @property
    def sweep_url(self) -> None:
        """The page of that sweep; there is none."""
        return None

    def get_url(self) -> str:
        """The run's page; wandb's older spelling of ``url``."""
        return self.url

    def get_project_url(self) -> str:
        """The project's page; wandb's older spelling of ``project_url``."""
        return self.project_url

    def project_name(self) -> str:
        """The run's project; wandb's older spelling of ``project``."""
        return self.project

    def _label(self, **labels: object) -> None:
        """Accepted for transformers, which tells W&B which integration is at work; nobody asks for that here."""

    def to_html(self, height: int = 420, hidden: bool = False) -> str:
        """The run's page as an HTML frame, ``height`` pixels high; with ``hidden``, behind a button."""
        import html

        style = f"border:none;width:100%;height:{int(height)}px;"
        frame = f'<iframe src="{html.escape(self.url)}" style="{style}"></iframe>'
        if not hidden:
            return frame
        return f"<details><summary>{html.escape(self.name)}</summary>{frame}</details>"

    def display(self, height: int = 420, hidden: bool = False) -> bool:
        """Shows the run's page in a notebook; returns whether there is one to show it in."""
        from runstream._ends import in_notebook

        if not in_notebook():
            return False
        from IPython.display import HTML, display

        display(HTML(self.to_html(height, hidden)))
        return True

    def _repr_html_(self) -> str:
        import html

        return f'<a href="{html.escape(self.url)}" target="_blank">{html.escape(self.name)}</a>'


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidField(field, f"must be a string, not {value!r:.100}")
    return value
