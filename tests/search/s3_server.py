"""A server that speaks the protocol of S3, for tests: a process of its own, so that its warnings
are not the tests'."""

import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

from search.storage import place

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Server:
    """A running server.

    Parameters
    ----------
    endpoint : str
    """

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.bucket = None
        self._buckets = itertools.count()

    def with_new_bucket(self):
        """Make an empty bucket, which `uri` and `path` mean from now on."""
        self.bucket = f"runs-{next(self._buckets)}"
        self._asked(f"/{self.bucket}", "PUT")
        self.requests()
        return self

    def uri(self, folder):
        """Return the URI of a folder in the bucket."""
        return f"s3://{self.bucket}/{folder}?endpoint_override={self.endpoint}"

    def path(self, folder):
        """Return the same as a path of its own, as another process would have it."""
        return place(self.uri(folder))

    def names(self, folder):
        """Return the names of all objects in a folder, but those that stand for folders."""
        path = self.path(folder)
        keys = [info.path for info in path.store.listed(path.key, recursive=True) if info.is_file]
        return sorted(key.removeprefix(f"{path.key}/") for key in keys)

    def requests(self):
        """Return the method and the path of each request since the last time."""
        return [tuple(request) for request in json.loads(self._asked("/-/requests"))]

    def _asked(self, path, method="GET"):
        request = urllib.request.Request(self.endpoint + path, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()


@contextmanager
def s3_server(latency=0.0):
    """Start a server that answers after so many seconds, on a free port of this machine."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(latency)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, **ENVIRONMENT},
    )  # fmt: skip
    with process:
        try:
            yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


def main(latency):
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    application = DomainDispatcherApplication(create_backend_app)
    requests = []

    def counted(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/-/requests":
            start_response("200 OK", [("Content-Type", "application/json")])
            told, requests[:] = json.dumps(requests), []
            return [told.encode()]
        requests.append((environ["REQUEST_METHOD"], path))
        time.sleep(latency)
        return application(environ, start_response)

    server = make_server("127.0.0.1", 0, counted, threaded=True)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(float(sys.argv[1]))
