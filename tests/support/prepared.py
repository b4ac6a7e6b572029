"""What the demo prepares from the real flights, prepared once per machine."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
DATA = sorted(path.stem.removeprefix("prepare_") for path in (REPO / "demo").glob("prepare_*.py"))


@lru_cache
def prepared(name: str) -> Path:
    """What `demo/prepare_<name>.py` writes; made anew when the script changes."""
    script = REPO / "demo" / f"prepare_{name}.py"
    target = Path(tempfile.gettempdir()) / f"lupus-test-{name}-{hashlib.sha256(script.read_bytes()).hexdigest()[:8]}"
    if not (target / "complete").exists():
        subprocess.run([sys.executable, str(script), str(target)], check=True)
        (target / "complete").touch()
    return target
