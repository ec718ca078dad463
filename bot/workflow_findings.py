"""What is wrong with the operator's ComfyUI workflows, in words for ``doctor``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot.findings import Finding, Level
from bot.providers.comfyui_workflow_files import WorkflowProblem, problems_of_workflows
from bot.text import Message, message

TEXTS: Mapping[WorkflowProblem, Message] = {
    WorkflowProblem.NO_FOLDER: message("workflow.no_folder", "COMFYUI_WORKFLOWS is not a folder that can be read."),
    WorkflowProblem.UNREADABLE: message("workflow.unreadable", "{file} can't be read."),
    WorkflowProblem.TOO_LARGE: message("workflow.too_large", "{file} is too large."),
    WorkflowProblem.TOO_MANY: message("workflow.too_many", "Only the first {most} workflows are used."),
    WorkflowProblem.NO_MAP: message("workflow.no_map", "{file} has no .toml file beside it that maps its inputs."),
    WorkflowProblem.NO_GRAPH: message("workflow.no_graph", "{file} has no .json file beside it."),
    WorkflowProblem.NOT_JSON: message("workflow.not_json", "{file} is not JSON."),
    WorkflowProblem.NOT_TOML: message("workflow.not_toml", "{file} is not TOML."),
    WorkflowProblem.NOT_API_FORMAT: message(
        "workflow.not_api_format", "{file} was saved for the page. Export it with Export (API) in ComfyUI."
    ),
    WorkflowProblem.UNKNOWN_KEY: message("workflow.unknown_key", "{file}: {key} is not known here."),
    WorkflowProblem.MISSING_KEY: message("workflow.missing_key", "{file}: {key} is missing."),
    WorkflowProblem.WRONG_VALUE: message("workflow.wrong_value", "{file}: {key} has a wrong value."),
    WorkflowProblem.NO_SUCH_NODE: message(
        "workflow.no_such_node", "{file}: {key} names node {node}, which isn't in it."
    ),
    WorkflowProblem.NO_SUCH_INPUT: message(
        "workflow.no_such_input", "{file}: {key} names {input} of node {node}, which has no such input."
    ),
    WorkflowProblem.INPUT_IS_LINKED: message(
        "workflow.input_is_linked", "{file}: {key} names {input} of node {node}, which another node fills."
    ),
    WorkflowProblem.NO_OUTPUT: message(
        "workflow.no_output", "{file}: set output to the one node that saves the image to show."
    ),
    WorkflowProblem.MASK_WITHOUT_PICTURE: message(
        "workflow.mask_without_picture", "{file}: it has a mask, so it needs a picture too."
    ),
}


def workflow_findings(folder: str) -> list[Finding]:
    """One finding for each problem in the folder of the setting. Blocks."""
    problems = problems_of_workflows(Path(folder).expanduser())
    return [Finding("ComfyUI workflows", TEXTS[problem](**values), Level.TO_DO) for problem, values in problems]
