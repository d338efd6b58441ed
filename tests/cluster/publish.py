"""Publish a file's bytes on a topic with a node's own certificate: what a broken or hostile agent would do.

usage: python -m tests.cluster.publish AGENT_CONFIG TOPIC FILE
"""

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any

import aiomqtt
import yaml


async def _publish(config: Path, settings: dict[str, Any], topic: str, payload: bytes) -> None:
    files = {name: str(config.parent / settings[name]) for name in ("ca", "certificate", "key")}
    context = ssl.create_default_context(cafile=files["ca"])
    context.load_cert_chain(files["certificate"], files["key"])
    async with aiomqtt.Client(
        settings["broker"]["host"],
        settings["broker"]["port"],
        identifier=f"system:node:{settings['node_name']}",
        tls_context=context,
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        await client.publish(topic, payload, qos=1)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    asyncio.run(_publish(path, yaml.safe_load(path.read_text()), sys.argv[2], Path(sys.argv[3]).read_bytes()))
