"""What Accord decides about signing in, where django-allauth leaves it to us."""
