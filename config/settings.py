"""The whole tree of settings of one service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, PrivateAttr, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.alert import AlertSettings
from tocsin.config.base import LONGEST_TEXT, ClassName, FilePath, short_digest
from tocsin.config.early_risk import EarlyRiskSettings, alerts
from tocsin.config.erasure import ErasureSettings
from tocsin.config.experts import DEFAULT_EXPERTS, AnyExpert, default_experts, pool_mistake
from tocsin.config.fusion import FusionSettings
from tocsin.config.inputs import InputsSettings
from tocsin.config.kafka import KafkaSettings, TopicsSettings
from tocsin.config.lifecycle import LifecycleSettings
from tocsin.config.model import ModelSettings, Seed, class_map_mistake
from tocsin.config.prior_shift import PriorShiftSettings
from tocsin.config.routing import ReliabilitySettings, RouterSettings
from tocsin.config.schema import SchemaSettings, most_columns
from tocsin.config.service import (
    BatchingSettings,
    BoundsSettings,
    ExplanationSettings,
    FeedbackSettings,
    KernelsSettings,
    LabelsSettings,
    MonitorSettings,
    OverloadSettings,
    ReplaySettings,
    ReviewSettings,
    StateSettings,
)
from tocsin.config.shadow.promotion import PromotionSettings

SECRETS: Any = {"kafka": {"security": {"password", "key_password"}}, "erasure": {"secret"}}
"""The settings that nothing may show."""
OF_ONE_WORKER: Any = {"kafka": {"instance"}, "state": {"directory"}}
"""The settings that each worker of a service has a value of its own for."""
OF_THE_SHADOW: Any = {"shadow", "promotion"}
"""The settings that change no decision of this config: they are of a second one that is tried beside it."""


class _Environment(EnvSettingsSource):
    """The environment's values under the keys that the file uses, so that an override of `schema` replaces the
    file's."""

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        return {(fields[name].alias or name) if name in fields else name: v for name, v in super().__call__().items()}


class Settings(BaseSettings):
    """The settings of one service: those of a YAML file, overridden by the environment
    (`TOCSIN_KAFKA__BOOTSTRAP=host:port`)."""

    model_config = SettingsConfigDict(
        env_prefix="TOCSIN_",
        env_prefix_target="all",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        validate_default=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        str_max_length=LONGEST_TEXT,
        hide_input_in_errors=True,  # an input may hold a secret
    )

    name: str = Field(default="tocsin", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """The name of the service in its consumer group, its telemetry and its state directory."""
    kafka: KafkaSettings = KafkaSettings()
    topics: TopicsSettings = TopicsSettings()
    schema_: SchemaSettings = Field(default=SchemaSettings(), alias="schema")
    classes: tuple[ClassName, ...] = Field(default=(), max_length=4_096)
    """The classes. Where none is named they are found in the labels, up to `bounds.classes`: `1`, `1.0` and `true` are
    the class `1`, and `false` is `0`."""
    class_map: dict[ClassName, ClassName] = Field(default_factory=dict, max_length=4_096)
    """Names that classes had before, each with the name of today, for labels and for feedback that is in the log. A
    class that was split has no such name."""
    inputs: InputsSettings = InputsSettings()
    experts: tuple[AnyExpert, ...] = DEFAULT_EXPERTS
    """The pool. Where none is named, it has the experts that suit what `schema` says: `features`, `text`, or both. With
    a text, no features and `early_risk` it is one `linear-text` over all that a subject wrote."""
    router: RouterSettings = ReliabilitySettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    fusion: FusionSettings = FusionSettings()
    prior_shift: PriorShiftSettings = PriorShiftSettings()
    abstention: AbstentionSettings = AbstentionSettings()
    early_risk: EarlyRiskSettings = EarlyRiskSettings()
    alert: AlertSettings = AlertSettings()
    explanation: ExplanationSettings = ExplanationSettings()
    batching: BatchingSettings = BatchingSettings()
    overload: OverloadSettings = OverloadSettings()
    bounds: BoundsSettings = BoundsSettings()
    state: StateSettings = StateSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    review: ReviewSettings = ReviewSettings()
    erasure: ErasureSettings = ErasureSettings()
    labels: LabelsSettings = LabelsSettings()
    replay: ReplaySettings = ReplaySettings()
    monitor: MonitorSettings = MonitorSettings()
    kernels: KernelsSettings = KernelsSettings()
    seed: Seed = 0
    shadow: FilePath | None = None
    """Another config file, beside this one unless the path is absolute: its model is tried on the live events, and
    decides nothing until `tocsin promote`. It says how to decide; all else is as here. See docs/shadow.md."""
    promotion: PromotionSettings = PromotionSettings()

    _beside: Settings | None = PrivateAttr(default=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment overrides the file, which arrives as keyword arguments."""
        return _Environment(settings_cls), init_settings

    @model_validator(mode="before")
    @classmethod
    def _default_pool(cls, values: Any) -> Any:
        """Where no experts are named, take those that suit the schema."""
        if not isinstance(values, Mapping) or "experts" in values:
            return values
        schema = values.get("schema", values.get("schema_"))
        features, text = (
            (schema.get("features"), schema.get("text"))
            if isinstance(schema, Mapping)
            else (getattr(schema, "features", None), getattr(schema, "text", None))
        )
        pool = default_experts(most_columns(features), text is not None, alerts(values.get("early_risk")))
        return {**values, "experts": pool}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.schema_.features and self.schema_.text is None:
            raise ValueError("schema: an event needs something to see: name `features`, a `text` path, or both")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes: a class is named twice")
        if len(self.classes) == 1:
            raise ValueError(
                "classes: one class is nothing to decide; name two or more, or none to learn them from labels"
            )
        if mistake := class_map_mistake(self.class_map, self.classes):
            raise ValueError(f"class_map: {mistake}")
        if mistake := pool_mistake(self.experts):
            raise ValueError(f"experts: {mistake}")
        readers = [e.kind for e in self.experts if e.reads_text]
        if self.schema_.text is None and readers:
            article = "an" if readers[0] == "ss3" else "a"
            raise ValueError(f"experts: {article} {readers[0]} expert needs `schema.text`, the path of the text")
        if self.feedback.keep is not None and self.state.snapshots is None:
            raise ValueError(
                "feedback.keep: what is deleted of feedback must stand in a snapshot that every worker can read: name "
                "their place in `state.snapshots`, or leave `feedback.keep` out"
            )
        rated = [name for profile in self.schema_.profiles for name in profile.rate]
        if strange := [name for name in rated if self.classes and name not in self.classes]:
            raise ValueError(f"schema.profiles: rate: {strange[0]!r} is not one of `classes`")
        if self.early_risk.policy == "learnt" and not any(getattr(e, "scope", "") == "subject" for e in self.experts):
            raise ValueError("early_risk.policy: learnt needs an expert that has `scope: subject`")
        if self.router.engage < 1.0 and self.abstention.controls == "error":
            raise ValueError(
                "router.engage: abstention.controls: error judges each decision by what all experts say of its event "
                "later, so that all must be asked: leave `router.engage` out, or use another of `abstention.controls`"
            )
        unknown = [c for c in self.early_risk.classes if self.classes and c not in self.classes]
        if unknown:
            raise ValueError(f"early_risk.classes: {unknown[0]!r} is not one of `classes`")
        told = {"early_risk.classes": list(self.early_risk.classes), "schema.profiles: rate": rated}
        told["alert.class"] = [] if self.alert.class_ is None else [self.alert.class_]
        for key, names in told.items():
            if old := [name for name in names if name in self.class_map]:
                today = self.class_map[old[0]]
                raise ValueError(f"{key}: {old[0]!r} is mapped to {today!r} by class_map: name that one")
        if self.alert.class_ is not None and self.classes and self.alert.class_ not in self.classes:
            raise ValueError(f"alert.class: {self.alert.class_!r} is not one of `classes`")
        return self

    def without_secrets(self) -> dict[str, Any]:
        """The whole tree as JSON, under the keys of the file, without the settings of `SECRETS`."""
        return self.model_dump(mode="json", by_alias=True, exclude=SECRETS)

    def digest(self) -> str:
        """The config digest: sixteen hex digits that change with every setting but those that `shared` leaves out.

        A decision has it as `model.settings`: it says what made the decision.
        """
        return short_digest(self.shared())

    def shared(self) -> dict[str, Any]:
        """What all workers that decide by this config have in common: the whole tree without secrets, `OF_ONE_WORKER`
        and what is said of a shadow. So a config has one digest, whether it is tried beside another or is alone."""
        tree = self.without_secrets()
        for group, keys in OF_ONE_WORKER.items():
            tree[group] = {key: value for key, value in tree[group].items() if key not in keys}
        del tree["topics"]["shadow"]
        return {key: value for key, value in tree.items() if key not in OF_THE_SHADOW}

    @property
    def of_shadow(self) -> Settings | None:
        """The settings by which the shadow decides, as `tocsin.config.load` has read them; None without a shadow."""
        return self._beside

    def with_shadow(self, settings: Settings | None) -> Self:
        """The same with these settings as those of the shadow, or with none."""
        made = self.model_copy()
        made._beside = settings
        return made

    @property
    def group(self) -> str:
        """The consumer group of the service's workers."""
        return self.kafka.group or f"tocsin-{self.name}"

    @property
    def model(self) -> ModelSettings:
        """What the model's state depends on."""
        return ModelSettings(
            features=(*self.schema_.features, *self.schema_.said),
            profiles=self.schema_.profiles,
            text=self.schema_.text is not None,
            classes=self.classes,
            class_map=self.class_map,
            inputs=self.inputs,
            experts=self.experts,
            router=self.router,
            lifecycle=self.lifecycle,
            fusion=self.fusion,
            prior_shift=self.prior_shift,
            abstention=self.abstention,
            early_risk=self.early_risk,
            max_classes=max(self.bounds.classes, len(self.classes)),
            max_vocabulary=self.bounds.vocabulary,
            max_text=self.bounds.text_length,
            max_subjects=self.bounds.subjects,
            max_profile_keys=self.bounds.profile_keys,
            seed=self.seed,
        )
