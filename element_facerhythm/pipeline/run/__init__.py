"""From a request to a project directory: checked, planned, computed stage by stage, under a lock."""
