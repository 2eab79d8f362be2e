"""moto's S3 for the tests: one request at a time, with a tally, and with faults on demand.

Prints its port. Everything below /-/ is ours, the rest is S3.
"""

import json
import logging
import os
import sys
import threading
import time

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)

s3 = DomainDispatcherApplication(create_backend_app)
# moto checks first and then writes. Conditional writes of Amazon are atomic.
turn = threading.Lock()
tally = {"requests": 0, "sent": 0, "kinds": {}}
fault = {"kind": None, "left": 0, "status": 0, "body": ""}


def kind_of(environ):
    """What a request is called in the tally and in a fault."""
    method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
    if method == "POST" and "delete" in query:
        return "DELETE"
    if "uploadId" in query or "uploads" in query:
        if method == "PUT":
            return "COPY-PART" if "HTTP_X_AMZ_COPY_SOURCE" in environ else "PART"
        return {"POST": "COMPLETE" if "uploadId" in query else "UPLOAD", "DELETE": "ABORT"}.get(method, method)
    if method == "GET" and "list-type" in query:
        return "LIST"
    return method


def answer(start, status, body, kind="application/json"):
    body = body.encode()
    start(f"{status} -", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def ours(environ, start):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    text = environ["wsgi.input"].read(length).decode()
    if environ["PATH_INFO"] == "/-/tally":
        told = dict(tally)
        tally.update(requests=0, sent=0, kinds={})
        return answer(start, 200, json.dumps(told))
    if environ["PATH_INFO"] == "/-/fault":
        fault.update(json.loads(text))
        return answer(start, 200, "{}")
    # The names in a bucket, and the number of unfinished uploads.
    buckets = [b for backend in s3_backends.values() for region in backend.values() for b in region.buckets.values()]
    bucket = next(b for b in buckets if b.name == text)
    names = sorted(bucket.keys.keys())
    return answer(start, 200, json.dumps({"names": names, "uploads": len(bucket.multiparts)}))


def application(environ, start):
    if environ["PATH_INFO"].startswith("/-/"):
        with turn:
            return ours(environ, start)
    kind = kind_of(environ)
    with turn:
        if fault["kind"] == kind and fault["left"] > 0 and fault["status"] == 1:
            # Executed regardless of the expected version.
            environ.pop("HTTP_IF_MATCH", None)
        elif fault["kind"] == kind and fault["left"] > 0:
            fault["left"] -= 1
            if fault["status"] == 0:
                # The request is executed and its reply is lost.
                b"".join(s3(environ, lambda *_: None))
                return answer(start, 500, "<Error><Code>InternalError</Code></Error>", "application/xml")
            # The request is read to its end, so that the client receives the reply.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return answer(start, fault["status"], fault["body"], "application/xml")
        body = b"".join(s3(environ, start))
        tally["requests"] += 1
        tally["sent"] += len(body) if environ["REQUEST_METHOD"] == "GET" else 0
        tally["kinds"][kind] = tally["kinds"].get(kind, 0) + 1
        return [body]


def end_with_parent():
    """The tests may be killed: then nobody stops this."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
server = make_server("127.0.0.1", 0, application, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
sys.exit(0)
