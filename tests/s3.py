"""An S3 server for tests, and a way to it that breaks in the middle of a transfer."""

import os
import socket
import socketserver
import threading
from contextlib import contextmanager, suppress

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}
PASS = 1500  # bytes of a doomed transfer, head included, before the connection breaks


@contextmanager
def serve():
    """Run moto's server behind a `Breaking` proxy; give that, with `environment` for those who use it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        with Breaking(server.get_host_and_port()[1]) as proxy:
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            yield proxy
            proxy.shutdown()
    finally:
        server.stop()


def client(environment):
    """A client of the server."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )


class Breaking(socketserver.ThreadingTCPServer):
    """Passes connections on; the next transfer of each request in `to_break` breaks off, and is `broken`.

    Of requests in `for_good` every transfer does.
    """

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Passage)
        self.behind, self.to_break, self.for_good, self.broken = port, [], [], []
        self.environment = {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.server_address[1]}",
        }

    def doom(self, data):
        """The request that is in these bytes and is to be broken."""
        for line in self.for_good:
            if line.encode() in data:
                return line
        for line in self.to_break:
            if line.encode() in data:
                self.to_break.remove(line)
                return line
        return None


class Passage(socketserver.BaseRequestHandler):
    """One connection."""

    def handle(self):
        self.doomed, self.passed = None, 0
        with socket.create_connection(("127.0.0.1", self.server.behind)) as self.there:
            back = threading.Thread(target=self.pass_on, args=(self.there, self.request, "GET"), daemon=True)
            back.start()
            self.pass_on(self.request, self.there, "PUT")
            back.join(10)

    def pass_on(self, source, target, method):
        """Pass bytes on in one direction, in which the bodies of such requests travel."""
        try:
            while data := source.recv(65536):
                if method == "PUT" and self.doomed is None:
                    self.doomed = self.server.doom(data)
                if self.doomed and self.doomed.startswith(method):
                    self.passed += len(data)
                    if self.passed > PASS:
                        target.sendall(data[:PASS])
                        self.server.broken.append(self.doomed)
                        break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def put(server, folder, bucket):
    """Store all files of a folder in a new bucket."""
    own = client(server.environment)
    own.create_bucket(Bucket=bucket)
    for path in folder.rglob("*"):
        if path.is_file():
            own.upload_file(str(path), bucket, os.path.relpath(path, folder))
    return own
