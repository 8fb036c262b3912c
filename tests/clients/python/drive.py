"""What the command `kc` has no word for, or a broken one (its validate-config sends JSON within a JSON string, which Kafka
Connect refuses too), through the same package's class. Prints each answer as one line of JSON.

    drive.py URL validate PLUGIN CONFIG | stop CONNECTOR
"""

import json
import sys

from kafka_connect import KafkaConnect

url, action, *arguments = sys.argv[1:]
client = KafkaConnect(url=url)
if action == "validate":
    plugin, config = arguments
    print(json.dumps(client.validate_connector_config(plugin, json.loads(config))))
elif action == "stop":
    print(json.dumps(client.stop_connector(*arguments)))
else:
    sys.exit(f"unknown action {action}: validate or stop")
