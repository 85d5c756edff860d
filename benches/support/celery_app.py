"""Celery as the service of 2012 used it: no-op tasks at a RabbitMQ, one worker process.

As a worker it leaves the time of each task in a file. As a program it submits tasks:

    celery_app.py burst N        N tasks, and prints the seconds that took
    celery_app.py single N GAP   one each GAP seconds

`BENCH_SAFE=1` is what our queue does too: the broker confirms each task, and a worker acknowledges
it when it is done.
"""

import os
import sys
import time

from celery import Celery

SAFE = os.environ["BENCH_SAFE"] == "1"

app = Celery("bench", broker=os.environ["BENCH_BROKER"])
app.conf.task_ignore_result = True
app.conf.task_default_queue = "celery-safe" if SAFE else "celery-default"
app.conf.broker_connection_retry_on_startup = True
if SAFE:
    app.conf.broker_transport_options = {"confirm_publish": True}
    app.conf.task_acks_late = True
    app.conf.worker_prefetch_multiplier = 1


@app.task(name="noop")
def noop(sent):
    now = time.time()
    with open(os.environ["BENCH_FILE"], "a") as file:
        file.write(f"{sent!r} {now!r}\n")


def main():
    noop.delay(0.0)  # connects
    time.sleep(0.2)
    count = int(sys.argv[2])
    if sys.argv[1] == "burst":
        begun = time.perf_counter()
        for _ in range(count):
            noop.delay(time.time())
        print(time.perf_counter() - begun)
    else:
        for _ in range(count):
            noop.delay(time.time())
            time.sleep(float(sys.argv[3]))


if __name__ == "__main__":
    main()
