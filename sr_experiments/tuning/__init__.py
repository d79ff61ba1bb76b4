"""How fast a run trains, and not what: settings that are chosen once for a run."""
