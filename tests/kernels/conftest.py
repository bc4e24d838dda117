"""What tests of kernels share."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.kernels.fusion.fusion_behaviour")
