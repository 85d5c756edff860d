"""Consumes messages with Fedora's own client, and prints them as JSON, one a line.

It knows our messages by the schemas in a folder, as an installed package of message classes would
tell it. The client checks every message against its schema, and refuses one that does not fit.
"""

import json
import pathlib
import sys
import tempfile

schemas, amqp_url, topics = sys.argv[1:4]

# Where the client looks for message classes: the entry points of an installed package.
package = pathlib.Path(tempfile.mkdtemp())
names = {path.name.removesuffix(".json"): path for path in pathlib.Path(schemas).glob("fbs.*.json")}
classes = {name: name.title().replace(".", "") for name in names}
(package / "fbs_messages.py").write_text(
    "import json\nfrom fedora_messaging.message import Message\n"
    + "".join(
        f"class {classes[name]}(Message):\n"
        f"    body_schema = json.load(open({str(path)!r}))\n"
        for name, path in names.items()
    )
)
info = package / "fbs_messages-1.dist-info"
info.mkdir()
(info / "METADATA").write_text("Metadata-Version: 2.1\nName: fbs-messages\nVersion: 1\n")
(info / "entry_points.txt").write_text(
    "[fedora.messages]\n"
    + "".join(f"{name} = fbs_messages:{classes[name]}\n" for name in names)
)
sys.path.insert(0, str(package))

from fedora_messaging import api, config  # noqa: E402
from twisted.internet import reactor  # noqa: E402


def say(value):
    print(json.dumps(value), flush=True)


def got(message):
    properties = message._properties
    say(
        {
            "event": "message",
            "class": type(message).__name__,
            "topic": message.topic,
            "id": message.id,
            "severity": message.severity,
            "headers": message._headers,
            "body": message.body,
            "content_type": properties.content_type,
            "content_encoding": properties.content_encoding,
            "delivery_mode": properties.delivery_mode,
        }
    )


def failed(failure):
    print(failure, file=sys.stderr)
    reactor.callFromThread(reactor.stop)


config.conf.load_config()
config.conf["amqp_url"] = amqp_url
config.conf["tls"] = {"ca_cert": None, "keyfile": None, "certfile": None}
queue = "fbs-test"
config.conf["queues"] = {
    queue: {"durable": False, "auto_delete": True, "exclusive": False, "arguments": {}}
}
bindings = [{"queue": queue, "exchange": "amq.topic", "routing_keys": [topics]}]

ready = api.twisted_consume(got, bindings=bindings, queues=config.conf["queues"])
ready.addCallback(lambda consumers: say({"event": "ready"}))
ready.addErrback(failed)
reactor.run()
