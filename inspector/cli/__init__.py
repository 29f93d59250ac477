"""The `inspector` command: one file per subcommand, each a thin skin over one public function."""
