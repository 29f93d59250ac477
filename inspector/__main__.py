"""`python -m inspector`: the command line, where its script is not on the path."""

from inspector.cli.app import main

if __name__ == "__main__":
    main()
