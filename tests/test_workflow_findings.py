"""What doctor says of ComfyUI workflows."""

from __future__ import annotations

from pathlib import Path

from bot.findings import Level
from bot.providers.comfyui_workflow_files import WorkflowProblem
from bot.workflow_findings import TEXTS, workflow_findings


def test_each_problem_has_a_text() -> None:
    assert set(TEXTS) == set(WorkflowProblem)


def test_problems_are_told_with_their_file(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{", encoding="utf-8")
    (tmp_path / "yours.toml").write_text("", encoding="utf-8")
    found = workflow_findings(str(tmp_path))
    assert {finding.text.code for finding in found} >= {
        TEXTS[WorkflowProblem.NO_MAP].code,
        TEXTS[WorkflowProblem.NO_GRAPH].code,
    }
    assert all(finding.level is Level.TO_DO for finding in found)
    assert all(str(finding.text) for finding in found)
