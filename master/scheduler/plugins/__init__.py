"""The scheduler's plugins, one file each; see `master.scheduler.framework` for what a file must hold."""
