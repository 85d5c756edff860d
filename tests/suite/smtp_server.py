"""A mail server on loopback that keeps what it gets, and prints it as JSON, one mail a line.

The first line has the port. Every mail is taken apart by Python's email package.
"""

import argparse
import asyncio
import email
import email.policy
import gzip
import json
import ssl

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def say(value):
    print(json.dumps(value), flush=True)


def part(part):
    """One leaf of a mail."""
    content = part.get_payload(decode=True)
    found = {
        "type": part.get_content_type(),
        "disposition": part.get_content_disposition(),
        "filename": part.get_filename(),
        "id": part["Content-ID"],
        "size": len(content),
    }
    if part.get_content_maintype() == "text":
        found["text"] = part.get_content().replace("\r\n", "\n")
    elif part.get_content_type() == "application/gzip":
        text = gzip.decompress(content)
        found["unpacked"] = len(text)
        found["begin"] = text[:200].decode("latin-1")
        found["end"] = text[-200:].decode("latin-1")
    else:
        found["begin"] = content[:8].decode("latin-1")
    return found


def defects(message):
    return [repr(defect) for each in message.walk() for defect in each.defects]


class Keeper:
    """Takes mails, but for those that it is told to refuse."""

    def __init__(self, args):
        self.args = args
        self.busy = args.busy
        self.deferred = list(args.deferred)

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.busy > 0:
            self.busy -= 1
            return "451 come back later"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.args.unknown:
            return "550 no such user here"
        if address in self.deferred:
            self.deferred.remove(address)
            return "450 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        raw = envelope.content
        message = email.message_from_bytes(raw, policy=email.policy.default)
        lines = raw.split(b"\r\n")
        say(
            {
                "event": "mail",
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "tls": session.ssl is not None,
                "login": session.auth_data.login.decode() if session.authenticated else None,
                "headers": [[name, str(value)] for name, value in message.items()],
                "parts": [part(leaf) for leaf in message.walk() if not leaf.is_multipart()],
                "shape": [each.get_content_type() for each in message.walk()],
                "defects": defects(message),
                "size": len(raw),
                "ascii": raw.isascii(),
                "longest_line": max(map(len, lines)),
            }
        )
        return "250 kept"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", choices=["none", "starttls", "tls"], default="none")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--login", nargs=2)
    parser.add_argument("--unknown", action="append", default=[])
    parser.add_argument("--deferred", action="append", default=[])
    parser.add_argument("--busy", type=int, default=0)
    args = parser.parse_args()

    context = None
    if args.tls != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert, args.key)

    def authenticate(server, session, envelope, mechanism, data):
        wanted = tuple(word.encode() for word in args.login)
        fits = isinstance(data, LoginPassword) and (data.login, data.password) == wanted
        return AuthResult(success=fits, handled=False, auth_data=data)

    keeper = Keeper(args)

    def server():
        return SMTP(
            keeper,
            hostname="mail.test",
            data_size_limit=64 * 1024 * 1024,
            tls_context=context if args.tls == "starttls" else None,
            require_starttls=args.tls == "starttls",
            authenticator=authenticate if args.login else None,
            auth_required=args.login is not None,
            auth_require_tls=args.tls == "starttls",
        )

    async def serve():
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            server, "127.0.0.1", args.port, ssl=context if args.tls == "tls" else None
        )
        say({"event": "ready", "port": listener.sockets[0].getsockname()[1]})
        await listener.serve_forever()

    asyncio.run(serve())


main()
