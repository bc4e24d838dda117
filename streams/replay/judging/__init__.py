"""What a replay is judged by beside its accuracy: classes, rankings, alerts, time and drifts."""
