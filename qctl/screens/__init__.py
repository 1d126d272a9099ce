"""What a person watches: `qctl top`. Everything here asks `qcore.monitor` alone, and no store."""
