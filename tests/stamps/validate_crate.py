"""Validates an RO-Crate against its published profiles; prints every finding.

    python validate_crate.py FOLDER

Runs in an environment of its own, which has `roc-validator` and `rocrate`: the validator needs
older versions of packages than ours. Nothing is fetched while tests run: the JSON-LD context is
taken from `rocrate`, whose newer one names one class that we use in another way than RO-Crate 1.1.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import rocrate
from rocrate_validator import models, services

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
OF_1_1 = {"ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow"}
PROFILES = ("workflow-run-crate", "process-run-crate", "ro-crate-1.1")


def main(folder: str) -> int:
    context = json.loads((Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_text())
    count = 0
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "crate"
        shutil.copytree(folder, copy)
        metadata = copy / "ro-crate-metadata.json"
        crate = json.loads(metadata.read_text())
        assert CONTEXT in crate["@context"]
        crate["@context"] = [
            {**context["@context"], **OF_1_1} if part == CONTEXT else part
            for part in crate["@context"]
        ]
        metadata.write_text(json.dumps(crate))
        for profile in PROFILES:
            settings = services.ValidationSettings(
                rocrate_uri=copy,
                profile_identifier=profile,
                requirement_severity=models.Severity.REQUIRED,
                disable_remote_crate_download=True,
            )
            for issue in services.validate(settings).get_issues():
                count += 1
                print(f"{profile}: {issue.severity.name}: {issue.message}")
    print(f"{count} findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
