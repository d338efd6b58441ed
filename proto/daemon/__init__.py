"""How a wherry daemon behaves, the same on both sides: settings, logs, systemd notification."""
