"""What vcrpy's and pytest-recording's users say, in our words: pure, no vcrpy loaded, no I/O."""
