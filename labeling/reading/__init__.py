"""What people and models wrote, made safe and pleasant to read."""
