"""The alert rules: what each needs is served, and each fires where it should and clears again.

Here promtool plays the time. `tests/acceptance/test_prometheus.py` lets a real Prometheus scrape a service.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..prometheus import program
from .compose import ROOT
from .test_dashboard import served_samples

FOLDER = ROOT / "deploy/prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]

W1 = 'worker="w1"'
CASES: dict[str, tuple[dict[str, str], int, int]] = {
    # By alert: series with a sample a minute, and the minutes at which it fires and is clear again. All are clear at 0.
    "TocsinMonitorDown": ({'up{job="tocsin"}': "1x4 0x5 1x20"}, 9, 15),
    "TocsinMonitorCannotRead": ({"tocsin_monitor_errors_total": "0x4 1+1x10 11x20"}, 14, 30),
    "TocsinNoWorkers": ({"tocsin_workers": "1x4 0x8 2x20"}, 12, 20),
    "TocsinWorkerSilent": ({f"tocsin_telemetry_age_seconds{{{W1}}}": "0x4 60+60x4 0x10"}, 8, 12),
    "TocsinWorkerRestarts": ({f"tocsin_worker_start_time_seconds{{{W1}}}": "1 2 3 4 4x40"}, 5, 30),
    "TocsinLagGrows": ({f'tocsin_lag_records{{{W1}, topic="events"}}': "0x10 900+200x20 4900-400x12 0x20"}, 28, 60),
    "TocsinNothingAdvances": (
        {f'tocsin_lag_records{{{W1}, topic="events"}}': "5x60", f"tocsin_batches_total{{{W1}}}": "0+9x5 45x10 50+9x30"},
        15,
        30,
    ),
    "TocsinPromiseBroken": ({f"tocsin_promise{{{W1}}}": "0x5 1x5 2x10 0x20"}, 18, 30),
    "TocsinDeviceGivenUp": ({f"tocsin_device_given_up{{{W1}}}": "0x5 1x10 0x20"}, 8, 20),
    "TocsinSheds": ({f"tocsin_shedding{{{W1}}}": "0x5 1x5 2x5 0x20"}, 9, 20),
    "TocsinPartitionStalled": (
        {f'tocsin_stalled_partitions{{{W1}, topic="events"}}': "0x5 1x10 0x20"},
        8,
        20,
    ),
    "TocsinPartitionUnattended": ({'tocsin_unattended_partitions{topic="events"}': "0x5 3x10 0x20"}, 8, 20),
    "TocsinDeadLetters": (
        {
            f'tocsin_dead_letters_total{{{W1}, kind="not-json"}}': "0x5 1+1x15 16x40",
            f"tocsin_events_total{{{W1}}}": "0+50x60",
        },
        18,
        40,
    ),
    "TocsinRecordsLost": ({f'tocsin_lost_records_total{{{W1}, topic="events"}}': "0x5 7x40"}, 8, 30),
    "TocsinCoverageFell": (
        {
            f"tocsin_events_total{{{W1}}}": "0+60x400",
            f"tocsin_decided_total{{{W1}}}": "0+60x200 12000+6x60 12400+60x140",
        },
        256,
        390,
    ),
    "TocsinCoverageBelowTarget": (
        {
            f"tocsin_events_total{{{W1}}}": "0+60x300",
            f"tocsin_decided_total{{{W1}}}": "0+60x30 1806+6x60 2226+60x200",
            "tocsin_target_coverage": "0.5x300",
        },
        80,
        130,
    ),
    "TocsinAccuracyFell": (
        {f'tocsin_expert_accuracy{{{W1}, expert="tree"}}': "0.9x60 0.6x30 0.9x60"},
        85,
        100,
    ),
    "TocsinRuleTurnedBad": ({f'tocsin_rule_turned_bad{{{W1}, expert="house", rule="big"}}': "0x5 1x20 0x20"}, 12, 30),
    "TocsinConfigsDiffer": (
        {
            f'tocsin_worker_info{{{W1}, config="a"}}': "1x60",
            'tocsin_worker_info{worker="w2", config="b"}': "1x20 _x40",
            'tocsin_worker_info{worker="w3", config=""}': "1x60",
        },
        18,
        40,
    ),
    "TocsinModelsApart": (
        {
            f"tocsin_feedback_offset{{{W1}}}": "0+500x60",
            'tocsin_feedback_offset{worker="w2"}': "0x20 10000+500x40",
        },
        15,
        30,
    ),
    "TocsinModelsDisagree": ({"tocsin_models_disagree": "0x5 1x10 0x20"}, 9, 20),
    "TocsinSnapshotsFail": ({f"tocsin_snapshots_failed_total{{{W1}}}": "0x5 1x100"}, 10, 80),
}


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")
        for text in rule["annotations"].values():
            assert text.rstrip().endswith("."), rule["alert"]


def test_every_metric_in_the_rules_is_served_with_these_labels() -> None:
    served = served_samples()
    for rule in RULES:
        for name in re.findall(r"\btocsin_\w+", rule["expr"]):
            assert name in served, rule["alert"]
        used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        labels = set().union(*(served[name] for name in re.findall(r"\btocsin_\w+", rule["expr"])), {"job"})
        assert used <= labels, rule["alert"]


def test_promtool_takes_the_configuration() -> None:
    done = subprocess.run(
        [program("promtool"), "check", "config", str(FOLDER / "prometheus.yml")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_alert_is_left_untried() -> None:
    assert set(CASES) == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_where_it_should_and_clears_again(alert: str, tmp_path: Path) -> None:
    series, fires, clears = CASES[alert]
    query = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    there = [{"labels": "{}", "value": 1}]
    trial = {
        "rule_files": [str(FOLDER / "alerts.yml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {"expr": query, "eval_time": "0m", "exp_samples": []},
                    {"expr": query, "eval_time": f"{fires}m", "exp_samples": there},
                    {"expr": query, "eval_time": f"{clears}m", "exp_samples": []},
                ],
            }
        ],
    }
    file = tmp_path / "trial.yml"
    file.write_text(yaml.safe_dump(trial))
    done = subprocess.run([program("promtool"), "test", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
