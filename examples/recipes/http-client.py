"""A client of hourwheel in plain Python: nothing but the standard library, over HTTP.

Shows what matters for any language: tasks with a key can be repeated safely after a lost connection, leases give tasks to a
worker, and an error says in `code` what it is and in `outcome` whether anything may have been done.

    python3 http-client.py http://127.0.0.1:7420      # HOURWHEEL_TOKEN holds the token, where the daemon asks for one
"""

import base64
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request


class HourwheelError(Exception):
    def __init__(self, status, problem):
        super().__init__(f"{problem.get('code', status)}: {problem.get('detail', 'no detail')}")
        self.status = status
        self.code = problem.get("code")
        self.outcome = problem.get("outcome", "unknown")
        self.retry_after = problem.get("retryAfterMs", 0) / 1000


class Hourwheel:
    def __init__(self, url, token=None):
        self.url = url.rstrip("/")
        self.headers = {"content-type": "application/json"}
        if token:
            self.headers["authorization"] = f"Bearer {token}"

    def call(self, method, path, body=None, timeout=30):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self.headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            try:
                problem = json.loads(error.read())
            except ValueError:
                problem = {}
            raise HourwheelError(error.code, problem) from None

    def schedule_once(self, task, tries=5):
        """Repeats until there is an answer. Safe because of the key: however often it arrives, there is one task."""
        assert "key" in task
        for n in range(tries):
            try:
                return self.call("POST", "/v1/tasks", task)
            except HourwheelError as error:
                if error.status not in (429, 503) and error.outcome != "unknown":
                    raise
                pause = error.retry_after
            except (OSError, http.client.HTTPException):
                pause = 0  # The connection failed, before or after: with a key it does not matter which.
            time.sleep(max(pause, 0.1 * 2**n))
        raise TimeoutError("the daemon does not answer")

    def work(self, queue, handler, until):
        """Leases tasks and runs them, one at a time, until `until()` holds."""
        while not until():
            leased = self.call("POST", f"/v1/queues/{queue}/leases", {"max": 1, "lease": "30s", "wait": "5s"})["tasks"]
            for task in leased:
                try:
                    handler(task)
                except Exception as error:
                    self.call("POST", "/v1/leases/nack", {"token": task["token"], "error": str(error)})
                else:
                    self.call("POST", "/v1/leases/ack", {"token": task["token"]})


def payload_of(task):
    """JSON data, or bytes, which come as base64."""
    return base64.b64decode(task["payloadBase64"]) if "payloadBase64" in task else task.get("payload")


def main():
    wheel = Hourwheel(sys.argv[1], os.environ.get("HOURWHEEL_TOKEN"))
    queue = "python"
    order = {"queue": queue, "key": "order-17", "delay": "200ms", "payload": {"order": 17}}
    print("order:", wheel.schedule_once(order)["outcome"])
    print("order again:", wheel.schedule_once(order)["outcome"])
    retry = {"backoff": "fixed", "delay": "50ms", "attempts": 3}
    wheel.call("POST", "/v1/tasks", {"queue": queue, "delay": "100ms", "payloadBase64": "AAH/", "retry": retry})
    try:
        wheel.call("POST", "/v1/tasks", {"queue": queue, "delay": "1 month"})
    except HourwheelError as error:
        print("refused:", error.code, error.outcome)

    done = []

    def handler(task):
        payload = payload_of(task)
        print("attempt", task["attempt"], "of", payload)
        if isinstance(payload, bytes) and task["attempt"] == 1:
            raise RuntimeError("not yet")
        done.append(payload)

    wheel.work(queue, handler, lambda: len(done) == 2)
    print("queue:", json.dumps(wheel.call("GET", f"/v1/queues/{queue}")["stats"]["succeeded"]))


main()
