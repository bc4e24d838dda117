"""Replay by subject: labels of whole subjects, and how early and surely alerts are raised for them.

Where early risk is on (`early_risk.classes`) and a subject of the source has several events, its alerts are judged. The
source is then read twice: once to learn when each subject ends, and once to replay it.

- `plan`: which label each subject has, and when it comes;
- `figures`: ERDE, F-latency and the like, beside those of who always and who never raises an alert.
"""
