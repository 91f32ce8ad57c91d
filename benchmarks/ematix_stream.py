"""A topic of JSON into a table of PostgreSQL by ematix-flow 1.0.0, in its own environment; ends when it is killed.

python ematix_stream.py ADDRESS TOPIC URL TABLE
"""

from __future__ import annotations

import sys
import tempfile
import uuid

from ematix_flow import run_pipeline

address, topic, url, table = sys.argv[1:]
group = f"ematix-{uuid.uuid4().hex[:8]}"
with tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False) as file:
    file.write(
        f"""
pipeline_name = "{group}"
source_query = "{topic}"
idle_pause_ms = 100
[source]
kind = "kafka"
bootstrap_servers = "{address}"
group_id = "{group}"
[target]
kind = "postgres"
url = "{url}"
[target.table]
schema = "public"
name = "{table}"
"""
    )
run_pipeline(config=file.name)
