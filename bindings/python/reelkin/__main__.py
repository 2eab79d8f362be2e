"""Runs the sandbox until Ctrl-C: `python -m reelkin --help`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from typing import Optional

from . import Error, __version__
from .sync import Sandbox


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m reelkin",
        description="Run a local server with the API of the service, at no cost. "
        "Prints one line of JSON with base_url and api_key, then serves until it is stopped.",
        epilog="The program reelkin, which has commands for all operations, is installed with cargo.",
    )
    parser.add_argument("--listen", metavar="HOST:PORT", help="the address to listen on (default: 127.0.0.1:0)")
    parser.add_argument("--api-key", metavar="KEY", help="the API key to require (default: a random key)")
    parser.add_argument("--seconds-per-job", metavar="S", type=float, help="the minimum duration of a job (default: 2)")
    parser.add_argument("--zdr", action="store_true", help="require output.upload_url, as for teams with zero data retention")
    parser.add_argument("--fault", metavar="SPEC", action="append", default=[], help="a fault to inject; can be repeated")
    parser.add_argument("--version", action="version", version=f"reelkin {__version__}")
    options = parser.parse_args(arguments)
    try:
        sandbox = Sandbox(
            listen=options.listen,
            api_key=options.api_key,
            min_job_duration=options.seconds_per_job,
            zero_data_retention=options.zdr,
            faults=options.fault,
        )
        with sandbox:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            print(json.dumps({"api_key": sandbox.api_key, "base_url": sandbox.base_url}), flush=True)
            signal.pause()
    except (Error, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
