"""`python scripts/serve_client.py` is `dfkd serve-client`."""

from dfkd_command import main

if __name__ == "__main__":
    main("serve-client")
