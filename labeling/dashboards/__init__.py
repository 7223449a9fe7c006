"""What the manager's dashboards show: figures turned into charts, tables and sentences."""
