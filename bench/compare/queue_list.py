#!/usr/bin/env python3
"""Does listing a queue of 100,000 messages disturb delivery?

Fills a server's queue with messages for a next hop that refuses connections, then relays others to smtp-sink, in turn with
and without somebody who lists the whole queue again and again. Prints both rates, medians and ranges, and how long one
listing took.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import compare  # noqa: E402

ROUTES = """
[[route]]
domain = "parked.invalid"
next_hop = "127.0.0.1:1"
"""


def source(port, count, domain):
    subprocess.run(["smtp-source", "-s", "20", "-d", "-m", str(count), "-l", "4096", "-f", "a@bench.invalid",
                    "-t", f"b@{domain}", f"127.0.0.1:{port}"], check=True, stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ringmail", default=str(compare.ROOT / "build/ringmail"))
    parser.add_argument("--queued", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=10_000, help="relayed in each run")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--scratch", default=str(compare.ROOT / "build"))
    args = parser.parse_args()

    sink = compare.Sink()
    server = compare.Ringmail(tempfile.mkdtemp(dir=args.scratch), args)
    rates = {"without": [], "with": []}
    listings = []
    try:
        server.start("relay", sink.port)
        config = server.dir / "ringmail.toml"
        server.process.terminate()
        server.process.wait()
        config.write_text(config.read_text() + ROUTES)
        server.process = subprocess.Popen([args.ringmail, "serve", "--config", str(config)], stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL)
        compare.wait_port(server.port)
        source(server.port, args.queued, "parked.invalid")
        sent = 0
        for _ in range(args.repeat):
            for which in rates:
                stop = threading.Event()

                def list_again():
                    while not stop.is_set():
                        began = time.monotonic()
                        out = subprocess.run([args.ringmail, "queue", "list", "--json", "--config", str(config)],
                                             capture_output=True, check=True)
                        if out.stdout.count(b'"id"') < args.queued:
                            raise SystemExit("queue_list: the listing is not whole")
                        listings.append(time.monotonic() - began)

                lister = threading.Thread(target=list_again)
                if which == "with":
                    lister.start()
                sent += args.messages
                began = time.monotonic()
                source(server.port, args.messages, "bench.invalid")
                while sink.messages() < sent:
                    time.sleep(0.002)
                rates[which].append(args.messages / (time.monotonic() - began))
                stop.set()
                if which == "with":
                    lister.join()
    finally:
        server.stop()
        sink.stop()
    for which, values in rates.items():
        print(f"{which:8} listing: {statistics.median(values):,.0f} msg/s ({min(values):,.0f}–{max(values):,.0f})")
    print(f"one listing of {args.queued:,}: median {statistics.median(listings):.2f} s, {len(listings)} of them")


if __name__ == "__main__":
    main()
