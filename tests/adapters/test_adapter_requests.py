"""requests: what a Session observes live, while recording and on replay."""
