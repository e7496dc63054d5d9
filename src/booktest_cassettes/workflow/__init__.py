"""What people do with snapshots: plan first, show it, then execute. Never loaded on a replay."""
